#include "index/index_schema.h"

#include <xxhash.h>

#include "index/flat_codec.h"
#include "index/inverted/text_index.h"
#include "index/payload/text_words.h"

namespace vouch {
namespace {

// How payloads are read into values and texts; raised when the same payload gives others. 2:
// through arrays of objects.
constexpr uint32_t kReading = 2;

void AddText(FlatWriter& writer, const std::string& text) {
  writer.Number(static_cast<uint64_t>(text.size()));
  writer.Bytes(text);
}

// Names of fields and what only a search asks for (ef_search, k1, b) are left out: they change no byte of a file.
uint64_t Fingerprint(const IndexSchema& made) {
  const CollectionSchema& schema = made.schema;
  FlatWriter writer;
  writer.Number(kReading);
  writer.Number(static_cast<uint64_t>(schema.dense.size()));
  for (const DenseField& field : schema.dense) {
    writer.Number(field.dim);
    writer.Number(static_cast<uint8_t>(field.metric));
    writer.Number(static_cast<uint8_t>(field.index));
    writer.Number(static_cast<int32_t>(field.hnsw.m));
    writer.Number(static_cast<int32_t>(field.hnsw.ef_construction));
    // Only where there is something to say, as below.
    if (field.type != VectorType::kF32) writer.Number(static_cast<uint8_t>(field.type));
    // Whether recalls are measured; which one is aimed at changes no byte, but where it is part of a choice.
    if (field.recall_target != 0) writer.Number(static_cast<uint8_t>(0xFF));
    if (field.index == DenseIndexKind::kAuto) writer.Number(field.recall_target);
    if (field.dropped) writer.Number(static_cast<uint8_t>(0xFE));
  }
  writer.Number(static_cast<uint64_t>(schema.text.size()));
  for (size_t i = 0; i < schema.text.size(); ++i) {
    const std::vector<std::string>& paths = schema.text[i].paths;
    writer.Number(static_cast<uint64_t>(paths.size()));
    for (const std::string& path : paths) AddText(writer, path);
    AddText(writer, made.analyzers[i]->id());
    writer.Number(TextIndex::kFormat);
  }
  writer.Number(static_cast<uint64_t>(schema.payload.size()));
  for (const PayloadField& field : schema.payload) {
    AddText(writer, field.path);
    writer.Number(static_cast<uint8_t>(field.type));
    if (field.type == PayloadType::kText) AddText(writer, WordsId(field));
  }
  // Only where there are some, so that files of collections without sparse fields stay good.
  if (!schema.sparse.empty()) writer.Number(static_cast<uint64_t>(schema.sparse.size()));
  for (size_t i = 0; i < schema.sparse.size(); ++i) {
    if (schema.sparse[i].dropped) writer.Number(static_cast<uint64_t>(i));
  }
  if (!schema.multi_vector.empty()) {
    writer.Number(static_cast<uint64_t>(schema.sparse.size()));  // so that no count is taken for the other
    writer.Number(static_cast<uint64_t>(schema.multi_vector.size()));
  }
  for (const MultiVectorField& field : schema.multi_vector) {
    writer.Number(field.dim);
    writer.Number(static_cast<uint8_t>(field.metric));
    writer.Number(static_cast<uint8_t>(field.type));
    if (field.dropped) writer.Number(static_cast<uint8_t>(0xFE));
  }
  const std::string bytes = std::move(writer).Take();
  return XXH3_64bits(bytes.data(), bytes.size());
}

}  // namespace

absl::StatusOr<std::shared_ptr<const IndexSchema>> IndexSchema::Create(const CollectionSchema& schema) {
  auto made = std::make_shared<IndexSchema>();
  made->schema = schema;
  for (const TextField& field : schema.text) {
    absl::StatusOr<std::shared_ptr<const Analyzer>> analyzer = Analyzer::Create(field.language);
    if (!analyzer.ok()) return analyzer.status();
    made->analyzers.push_back(*std::move(analyzer));
  }
  made->fingerprint = Fingerprint(*made);
  return made;
}

}  // namespace vouch
