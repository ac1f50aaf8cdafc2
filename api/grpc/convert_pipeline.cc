#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <google/protobuf/util/json_util.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "api/grpc/convert.h"
#include "query/filter_parser.h"

namespace vouch {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

constexpr char kQuestion[] = "{{question}}";

// Puts the question in place of every text that is {{question}}.
void PutQuestion(const std::string& question, Message* message) {
  const google::protobuf::Reflection& reflection = *message->GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(*message, &fields);
  for (const FieldDescriptor* field : fields) {
    const int count = field->is_repeated() ? reflection.FieldSize(*message, field) : 1;
    for (int i = 0; i < count; ++i) {
      if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
        PutQuestion(question, field->is_repeated()
                                  ? reflection.MutableRepeatedMessage(message, field, i)
                                  : reflection.MutableMessage(message, field));
      } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
        const std::string text = field->is_repeated()
                                     ? reflection.GetRepeatedString(*message, field, i)
                                     : reflection.GetString(*message, field);
        if (text != kQuestion) continue;
        if (field->is_repeated()) {
          reflection.SetRepeatedString(message, field, i, question);
        } else {
          reflection.SetString(message, field, question);
        }
      }
    }
  }
}

std::string TextOf(const google::protobuf::util::Status& status) {
  return std::string(status.message().data(), status.message().size());
}

absl::Status TakeRetrieve(const v1::RetrieveStep& message, RetrieveStep* step) {
  absl::StatusOr<RetrievalMode> mode = ModeOf(message.mode());
  if (!mode.ok()) return mode.status();
  step->mode = *mode;
  absl::StatusOr<std::optional<Filter>> filter = OptionalFilterOf(message);
  if (!filter.ok()) {
    return absl::Status(filter.status().code(),
                        absl::StrCat("retrieve.filter: ", filter.status().message()));
  }
  if (filter->has_value()) step->filter = FilterToJson(**filter);
  if (message.chunks() != 0) step->chunks = message.chunks();
  if (!message.has_query()) return absl::OkStatus();
  if (message.mode() != v1::RETRIEVAL_MODE_UNSPECIFIED) {
    return absl::InvalidArgumentError("retrieve has a mode and a query; take one of them");
  }
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  const auto status =
      google::protobuf::util::MessageToJsonString(message.query(), &step->query, options);
  if (!status.ok()) return absl::InvalidArgumentError("retrieve.query: " + TextOf(status));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<PipelineSpec> PipelineSpecOf(const v1::PipelineSpec& message) {
  PipelineSpec spec;
  spec.name = message.name();
  spec.description = message.description();
  spec.collection = message.collection();
  spec.rewrite = {.standalone = message.rewrite().standalone(),
                  .questions = message.rewrite().questions(),
                  .hypothetical = message.rewrite().hypothetical()};
  if (absl::Status status = TakeRetrieve(message.retrieve(), &spec.retrieve); !status.ok())
    return status;
  spec.assemble.max_prompt_tokens = message.assemble().max_prompt_tokens();
  spec.assemble.dedupe = message.assemble().dedupe();
  if (!v1::PassageOrder_IsValid(message.assemble().order())) {
    return absl::InvalidArgumentError(
        absl::StrCat("assemble.order is ", message.assemble().order(), ", which is unknown"));
  }
  if (message.assemble().order() == v1::PASSAGE_ORDER_DOCUMENT)
    spec.assemble.order = PassageOrder::kDocument;
  spec.prompt.system = message.prompt().system();
  spec.prompt.user = message.prompt().user();
  spec.prompt.variables = {message.prompt().variables().begin(),
                           message.prompt().variables().end()};
  spec.generate.generator = message.generate().generator();
  if (message.generate().max_sentences() != 0)
    spec.generate.max_sentences = message.generate().max_sentences();
  if (message.guard().has_min_grounding())
    spec.guard.min_grounding = message.guard().min_grounding();
  spec.guard.hold = message.guard().hold();
  spec.cache = {.enabled = message.cache().enabled(),
                .similar = message.cache().similar(),
                .max_age_seconds = message.cache().max_age_seconds()};
  spec.record.redact.assign(message.record().redact().begin(), message.record().redact().end());
  return spec;
}

void FillPipelineSpec(const PipelineSpec& spec, v1::PipelineSpec* message) {
  message->set_name(spec.name);
  message->set_description(spec.description);
  message->set_collection(spec.collection);
  message->mutable_rewrite()->set_standalone(spec.rewrite.standalone);
  message->mutable_rewrite()->set_questions(spec.rewrite.questions);
  message->mutable_rewrite()->set_hypothetical(spec.rewrite.hypothetical);
  v1::RetrieveStep* retrieve = message->mutable_retrieve();
  retrieve->set_chunks(spec.retrieve.chunks);
  if (!spec.retrieve.filter.empty()) {
    const absl::StatusOr<Filter> filter = FilterFromJson(spec.retrieve.filter);
    if (filter.ok()) retrieve->mutable_filter()->set_expression(FormatFilter(*filter));
  }
  if (spec.retrieve.query.empty()) {
    switch (spec.retrieve.mode) {
      case RetrievalMode::kDense:
        retrieve->set_mode(v1::RETRIEVAL_MODE_DENSE);
        break;
      case RetrievalMode::kText:
        retrieve->set_mode(v1::RETRIEVAL_MODE_TEXT);
        break;
      case RetrievalMode::kHybrid:
        retrieve->set_mode(v1::RETRIEVAL_MODE_HYBRID);
        break;
    }
  } else {
    // It was printed from one; what does not read any more is left out, and stands in the canonical form.
    (void)google::protobuf::util::JsonStringToMessage(spec.retrieve.query,
                                                      retrieve->mutable_query());
  }
  message->mutable_assemble()->set_max_prompt_tokens(spec.assemble.max_prompt_tokens);
  message->mutable_assemble()->set_order(spec.assemble.order == PassageOrder::kDocument
                                             ? v1::PASSAGE_ORDER_DOCUMENT
                                             : v1::PASSAGE_ORDER_RANK);
  message->mutable_assemble()->set_dedupe(spec.assemble.dedupe);
  message->mutable_prompt()->set_system(spec.prompt.system);
  message->mutable_prompt()->set_user(spec.prompt.user);
  for (const auto& [name, value] : spec.prompt.variables)
    (*message->mutable_prompt()->mutable_variables())[name] = value;
  message->mutable_generate()->set_generator(spec.generate.generator);
  message->mutable_generate()->set_max_sentences(spec.generate.max_sentences);
  message->mutable_guard()->set_min_grounding(spec.guard.min_grounding);
  message->mutable_guard()->set_hold(spec.guard.hold);
  for (const std::string& pattern : spec.record.redact) message->mutable_record()->add_redact(pattern);
  if (spec.cache == CacheStep()) return;
  message->mutable_cache()->set_enabled(spec.cache.enabled);
  message->mutable_cache()->set_similar(spec.cache.similar);
  message->mutable_cache()->set_max_age_seconds(spec.cache.max_age_seconds);
}

TreeBuilder PipelineTrees(EmbedderRegistry& embedders) {
  return [&embedders](const std::string& query, const std::string& question, Collection& collection,
                      Version at, const CancelToken& cancel) -> absl::StatusOr<TextQuery> {
    v1::QueryNode node;
    const auto status = google::protobuf::util::JsonStringToMessage(query, &node);
    if (!status.ok()) {
      return absl::FailedPreconditionError("the pipeline's query does not read: " + TextOf(status));
    }
    PutQuestion(question, &node);
    absl::StatusOr<ConvertedQuery> converted =
        QueryOf(std::move(node), {collection, embedders, at, cancel});
    if (!converted.ok()) return converted.status();
    return TextQuery{std::move(converted->root), std::move(converted->embedder),
                     std::move(converted->fusion)};
  };
}

}  // namespace vouch
