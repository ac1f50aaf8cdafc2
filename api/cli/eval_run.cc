// `vouch eval run`, `list`, `show` and `compare`.
#include <grpcpp/grpcpp.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "api/cli/evaluation_commands.h"
#include "api/cli/evaluation_text.h"
#include "api/cli/long_call.h"
#include "api/cli/message_json.h"
#include "api/cli/read_options.h"
#include "api/cli/text_output.h"
#include "api/decimal.h"
#include "vouch/v1/evaluations.grpc.pb.h"

namespace vouch {
namespace {

constexpr char kReportOption[] = "--report";
constexpr size_t kCostDecimals = 9;

struct RunOptions {
  std::string collection;
  std::string pipeline;
  std::string dataset;
  std::string at;
  std::string mode;     // empty: hybrid, or the pipeline's
  std::string answers;  // empty: none, or the pipeline's
  std::string resume;
  std::string report;
  uint32_t depth = 1'000;
  uint32_t context_chunks = 0;
  uint32_t parallel = 2;
};

struct JudgeOptions {
  std::string id;
  std::string tier;
  std::vector<std::string> measures;
  uint32_t votes = 1;
  uint32_t parallel = 2;
  bool dry_run = false;
  std::string report;
};

struct CompareOptions {
  std::string a;
  std::string b;
  std::vector<std::string> metrics;
  double alpha = 0.05;
  double power = 0.8;
  double margin = 0;
  std::string report;
};

v1::EvaluationAnswers AnswersOf(const std::string& name, bool pipeline) {
  if (name.empty() && pipeline) return v1::EVALUATION_ANSWERS_PIPELINE;
  if (name == "quotes") return v1::EVALUATION_ANSWERS_QUOTES;
  if (name == "models") return v1::EVALUATION_ANSWERS_MODELS;
  return v1::EVALUATION_ANSWERS_NONE;
}

absl::Status ShowDetail(const Invocation& invocation, v1::EvaluationDetail detail,
                        const std::string& report) {
  if (!report.empty()) {
    absl::Status status = WriteOutputFile(kReportOption, report, detail.report());
    if (!status.ok()) return status;
  }
  detail.clear_report();
  Print(invocation.json ? FormatJson(MessageToJson(detail)) : FormatEvaluation(detail));
  return absl::OkStatus();
}

absl::Status RunRun(Invocation& invocation, const RunOptions& options) {
  const bool pipeline = !options.pipeline.empty();
  if (pipeline && !options.collection.empty()) {
    return UsageError("a pipeline says which collection it asks; leave the collection out");
  }
  const bool subject = pipeline || !options.collection.empty();
  if (options.resume.empty() && (!subject || options.dataset.empty())) {
    return UsageError("give a collection or --pipeline, and --dataset; or --resume");
  }
  if (!options.resume.empty() && (subject || !options.dataset.empty())) {
    return UsageError(
        "--resume goes on with what its evaluation began; leave collection, --pipeline and "
        "--dataset out");
  }
  if (!options.report.empty()) {
    absl::Status status = CheckOutputFile(kReportOption, options.report);
    if (!status.ok()) return status;
  }
  v1::RunEvaluationRequest request;
  request.set_collection(options.collection);
  request.set_dataset(options.dataset);
  request.set_at(options.at);
  request.set_pipeline(options.pipeline);
  if (!pipeline || !options.mode.empty())
    request.set_mode(ModeOf(options.mode.empty() ? "hybrid" : options.mode));
  request.set_answers(AnswersOf(options.answers, pipeline));
  request.set_depth(options.depth);
  request.set_context_chunks(options.context_chunks);
  request.set_parallel(options.parallel);
  request.set_resume(options.resume);
  invocation.uses_hooks = true;
  invocation.uses_models = options.answers == "models" || pipeline || !options.resume.empty();
  absl::StatusOr<Connection*> connection = invocation.Connect();
  if (!connection.ok()) return connection.status();
  const auto stub = v1::Evaluations::NewStub((*connection)->channel());
  grpc::ClientContext context;
  invocation.Prepare(context);
  Progress progress = invocation.MakeProgress();
  const auto reader = stub->RunEvaluation(&context, request);
  v1::EvaluationDetail detail;
  grpc::Status status = ReadLongCall(*reader, progress, "running questions", &detail);
  if (!status.ok()) return (*connection)->Explain(status);
  return ShowDetail(invocation, std::move(detail), options.report);
}

std::string FormatJudging(const v1::JudgeReport& report, bool dry_run) {
  std::string text = absl::StrCat(FormatCounted(report.verdicts(), "verdict"), ", ", report.known(), " of them known");
  if (!dry_run && report.without_score() > 0) absl::StrAppend(&text, ", ", report.without_score(), " without a score");
  if (!dry_run && report.failed() > 0) {
    absl::StrAppend(&text, ", ", report.failed(), " not given (the same command asks for them again)");
  }
  if (report.left_out() > 0) {
    absl::StrAppend(&text, ", ", report.left_out(), " more left out, since a source that is cited is gone or does not fit into a prompt");
  }
  if (report.disagreeing() > 0) absl::StrAppend(&text, ", ", report.disagreeing(), " whose votes lie more than 0.25 apart");
  absl::StrAppend(&text, "\n", dry_run ? "to ask: about " : "asked: ", report.prompt_tokens(), " prompt tokens and ",
                  dry_run ? "at most " : "", report.completion_tokens(), " completion tokens, ");
  if (report.price_table().empty()) {
    absl::StrAppend(&text, "without a price\n");
  } else {
    absl::StrAppend(&text, dry_run ? "about " : "", FormatDecimal(report.cost_nano(), kCostDecimals), " ", report.currency(),
                    " by price table ", report.price_table(), dry_run ? ", without retries" : "", "\n");
  }
  return dry_run ? absl::StrCat(text, "nothing was asked\n") : text;
}

absl::Status RunJudge(Invocation& invocation, const JudgeOptions& options) {
  if (!options.report.empty()) {
    if (options.dry_run) return UsageError("--report needs verdicts, and --dry-run asks for none; leave one of them out");
    if (absl::Status status = CheckOutputFile(kReportOption, options.report); !status.ok()) return status;
  }
  v1::JudgeEvaluationRequest request;
  request.set_id(options.id);
  request.set_tier(options.tier);
  for (const std::string& measure : options.measures) request.add_measures(measure);
  request.set_votes(options.votes);
  request.set_parallel(options.parallel);
  request.set_dry_run(options.dry_run);
  invocation.uses_models = true;
  absl::StatusOr<Connection*> connection = invocation.Connect();
  if (!connection.ok()) return connection.status();
  const auto stub = v1::Evaluations::NewStub((*connection)->channel());
  grpc::ClientContext context;
  invocation.Prepare(context);
  Progress progress = invocation.MakeProgress();
  const auto reader = stub->JudgeEvaluation(&context, request);
  v1::JudgeReport report;
  grpc::Status status = ReadLongCall(*reader, progress, "judging answers", &report);
  if (!status.ok()) return (*connection)->Explain(status);
  if (invocation.json) {
    v1::JudgeReport shown = report;
    shown.mutable_evaluation()->clear_report();
    Print(FormatJson(MessageToJson(shown)));
    return options.report.empty() ? absl::OkStatus()
                                  : WriteOutputFile(kReportOption, options.report, report.evaluation().report());
  }
  Print(FormatJudging(report, options.dry_run));
  if (options.dry_run) return absl::OkStatus();
  Print("\n");
  return ShowDetail(invocation, report.evaluation(), options.report);
}

absl::Status RunShow(Invocation& invocation, const std::string& id, uint32_t questions,
                     const std::string& report) {
  if (!report.empty()) {
    if (absl::Status status = CheckOutputFile(kReportOption, report); !status.ok()) return status;
  }
  absl::StatusOr<Connection*> connection = invocation.Connect();
  if (!connection.ok()) return connection.status();
  const auto stub = v1::Evaluations::NewStub((*connection)->channel());
  grpc::ClientContext context;
  invocation.Prepare(context);
  v1::GetEvaluationRequest request;
  request.set_id(id);
  request.set_questions(questions);
  request.set_with_report(!report.empty());
  v1::EvaluationDetail detail;
  if (grpc::Status status = stub->GetEvaluation(&context, request, &detail); !status.ok()) {
    return (*connection)->Explain(status);
  }
  return ShowDetail(invocation, std::move(detail), report);
}

std::string MainValue(const v1::EvaluationSummary& evaluation) {
  for (const v1::MetricSummary& metric : evaluation.metrics()) {
    if (metric.name() == evaluation.main_metric() && metric.has_mean()) {
      return absl::StrFormat("%s %.4f", metric.name(), metric.mean());
    }
  }
  return evaluation.finished() ? "-" : "not finished";
}

absl::Status RunListEvaluations(Invocation& invocation, uint32_t limit) {
  absl::StatusOr<Connection*> connection = invocation.Connect();
  if (!connection.ok()) return connection.status();
  const auto stub = v1::Evaluations::NewStub((*connection)->channel());
  grpc::ClientContext context;
  invocation.Prepare(context);
  v1::ListEvaluationsRequest request;
  request.set_limit(limit);
  v1::ListEvaluationsResponse reply;
  if (grpc::Status status = stub->ListEvaluations(&context, request, &reply); !status.ok()) {
    return (*connection)->Explain(status);
  }
  if (invocation.json) {
    Print(FormatJson(MessageToJson(reply)));
    return absl::OkStatus();
  }
  std::vector<std::vector<std::string>> rows;
  for (const v1::EvaluationSummary& evaluation : reply.evaluations()) {
    rows.push_back({evaluation.id(), FormatTime(evaluation.created_us()),
                    evaluation.pipeline().empty() ? evaluation.collection() : evaluation.pipeline(),
                    absl::StrCat("v", evaluation.version()), evaluation.mode(),
                    absl::StrCat(evaluation.dataset(), "@", evaluation.dataset_version()),
                    MainValue(evaluation)});
  }
  Print(rows.empty() ? "no evaluations yet\n"
                     : FormatTable({"id", "time", "of", "version", "mode", "dataset",
                                    "measure"},
                                   rows));
  return absl::OkStatus();
}

absl::Status RunCompare(Invocation& invocation, const CompareOptions& options) {
  if (!options.report.empty()) {
    absl::Status status = CheckOutputFile(kReportOption, options.report);
    if (!status.ok()) return status;
  }
  absl::StatusOr<Connection*> connection = invocation.Connect();
  if (!connection.ok()) return connection.status();
  const auto stub = v1::Evaluations::NewStub((*connection)->channel());
  grpc::ClientContext context;
  invocation.Prepare(context);
  v1::CompareEvaluationsRequest request;
  request.set_a(options.a);
  request.set_b(options.b);
  for (const std::string& metric : options.metrics) request.add_metrics(metric);
  request.set_alpha(options.alpha);
  request.set_power(options.power);
  request.set_margin(options.margin);
  request.set_with_report(!options.report.empty());
  v1::EvaluationComparison comparison;
  grpc::Status called = stub->CompareEvaluations(&context, request, &comparison);
  if (!called.ok()) return (*connection)->Explain(called);
  if (!options.report.empty()) {
    absl::Status status = WriteOutputFile(kReportOption, options.report, comparison.report());
    if (!status.ok()) return status;
  }
  comparison.clear_report();
  Print(invocation.json ? FormatJson(MessageToJson(comparison)) : FormatComparison(comparison));
  return absl::OkStatus();
}

void AddReportOption(CLI::App& command, std::string* report) {
  command.add_option(kReportOption, *report, "writes an HTML report there that stands alone")
      ->type_name("FILE");
}

void AddRunCommand(CLI::App& group, Invocation& invocation) {
  auto options = std::make_shared<RunOptions>();
  CLI::App* command = AddCommand(
      group, invocation, CommandKind::kClient,
      {"run", "Run a dataset's questions over a collection or a pipeline and keep what comes out",
       "  vouch eval run docs --dataset support@2 --answers quotes --report report.html\n"
       "  vouch eval run --pipeline support@2 --dataset support\n"
       "  vouch eval run --resume 0193590c-2a7e"},
      [&invocation, options] { return RunRun(invocation, *options); });
  command->add_option("collection", options->collection, "the collection");
  command->add_option("--pipeline", options->pipeline,
                      "in its place a pipeline: NAME (the latest), NAME@NUMBER or NAME@ALIAS");
  command->add_option("--dataset", options->dataset, "NAME (the latest) or NAME@VERSION");
  AddModeOption(*command, &options->mode);
  AddAtOption(*command, &options->at);
  command
      ->add_option("--answers", options->answers,
                   "none: retrieval alone (default of a collection); quotes: sentences of the sources; "
                   "models: by the route; a pipeline answers as it says, unless none is wanted")
      ->check(CLI::IsMember({"none", "quotes", "models"}));
  command->add_option("--depth", options->depth, "documents a question, 1 to 10000 (default 1000)")
      ->check(CLI::Range(1, 10'000));
  command
      ->add_option("--context", options->context_chunks,
                   "chunks given to the generator, and measured by context_*, 1 to 100 (default 8)")
      ->check(CLI::Range(1, 100));
  command->add_option("--parallel", options->parallel, "questions at a time, 1 to 32 (default 2)")
      ->check(CLI::Range(1, 32));
  command->add_option("--resume", options->resume, "id of an evaluation that stopped: go on with it");
  AddReportOption(*command, &options->report);
}

void AddJudgeCommand(CLI::App& group, Invocation& invocation) {
  auto options = std::make_shared<JudgeOptions>();
  CLI::App* command = AddCommand(
      group, invocation, CommandKind::kClient,
      {"judge", "Let a model judge the answers of an evaluation: faithful, relevant, correct",
       "  vouch eval judge 0193590c --tier large --dry-run\n"
       "  vouch eval judge 0193590c --tier large --measure judge_correctness --votes 3"},
      [&invocation, options] { return RunJudge(invocation, *options); });
  command->add_option("id", options->id, "the evaluation's id, or the start of it")->required();
  command->add_option("--tier", options->tier, "the tier of the server's route that judges")->required();
  command->add_option("--measure", options->measures,
                      "judge_faithfulness, judge_relevance or judge_correctness; may be repeated (default all)");
  command->add_option("--votes", options->votes, "how often each question is put, 1 to 9; the median counts (default 1)")
      ->check(CLI::Range(1, 9));
  command->add_option("--parallel", options->parallel, "verdicts at a time, 1 to 32 (default 2)")->check(CLI::Range(1, 32));
  command->add_flag("--dry-run", options->dry_run, "ask nothing, and say what it would cost");
  AddReportOption(*command, &options->report);
}

void AddCompareCommand(CLI::App& group, Invocation& invocation) {
  auto options = std::make_shared<CompareOptions>();
  CLI::App* command = AddCommand(
      group, invocation, CommandKind::kClient,
      {"compare", "Evaluation B against A, question by question: better, worse, or cannot tell",
       "  vouch eval compare 0193590c 0193590d --metric ndcg_cut_10 --margin 0.01"},
      [&invocation, options] { return RunCompare(invocation, *options); });
  command->add_option("a", options->a, "the evaluation to measure against: its id or the start of it")
      ->required();
  command->add_option("b", options->b, "the evaluation that is judged")->required();
  command->add_option("--metric", options->metrics,
                      "what to compare; may be repeated, and the first decides");
  command
      ->add_option("--alpha", options->alpha,
                   "how often a difference may be seen where there is none (default 0.05)")
      ->check(CLI::Range(1e-6, 0.5));
  command
      ->add_option("--power", options->power,
                   "how surely the detectable difference would be found (default 0.8)")
      ->check(CLI::Range(0.5, 0.999));
  command
      ->add_option("--margin", options->margin,
                   "a loss that does not matter; with it B can be \"no worse\" (default 0)")
      ->check(CLI::NonNegativeNumber);
  AddReportOption(*command, &options->report);
}

}  // namespace

void AddEvaluationCommands(CLI::App& group, Invocation& invocation) {
  AddRunCommand(group, invocation);
  auto limit = std::make_shared<uint32_t>(20);
  CLI::App* list = AddCommand(group, invocation, CommandKind::kClient,
                              {"list", "Evaluations, newest first", "  vouch eval list"},
                              [&invocation, limit] { return RunListEvaluations(invocation, *limit); });
  list->add_option("--limit", *limit, "evaluations to show, 1 to 1000 (default 20)")
      ->check(CLI::Range(1, 1'000));
  auto id = std::make_shared<std::string>();
  auto questions = std::make_shared<uint32_t>(10);
  auto report = std::make_shared<std::string>();
  CLI::App* show =
      AddCommand(group, invocation, CommandKind::kClient,
                 {"show", "One evaluation with its worst questions",
                  "  vouch eval show 0193590c --questions 50 --report report.html"},
                 [&invocation, id, questions, report] {
                   return RunShow(invocation, *id, *questions, *report);
                 });
  show->add_option("id", *id, "the evaluation's id, or the start of it")->required();
  show->add_option("--questions", *questions, "worst questions to show, 1 to 100000 (default 10)")
      ->check(CLI::Range(1, 100'000));
  AddReportOption(*show, report.get());
  AddJudgeCommand(group, invocation);
  AddCompareCommand(group, invocation);
}

}  // namespace vouch
