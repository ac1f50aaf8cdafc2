#include "rag/embed/lsa_model.h"

#include <xxhash.h>

#include <bit>
#include <cmath>
#include <concepts>
#include <cstring>
#include <utility>

#include "absl/status/status.h"
#include "index/inverted/analyzer.h"
#include "storage/concat.h"
#include "storage/schema.h"

namespace vouch {
namespace {

static_assert(std::endian::native == std::endian::little,
              "numbers are copied as they lie in memory");

constexpr std::string_view kMagic = "VLSA";
constexpr size_t kMaxLanguageBytes = 64;

template <typename T>
void Put(T value, std::string* out) {
  out->append(reinterpret_cast<const char*>(&value), sizeof(T));
}

void PutText(std::string_view text, std::string* out) {
  Put(static_cast<uint16_t>(text.size()), out);
  out->append(text);
}

template <typename T>
void PutAll(const std::vector<T>& values, std::string* out) {
  out->append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
}

// Takes bytes from the front; every Take checks what is left.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}

  template <typename T>
  bool Take(T* value) {
    if (rest_.size() < sizeof(T)) return false;
    std::memcpy(value, rest_.data(), sizeof(T));
    rest_.remove_prefix(sizeof(T));
    return true;
  }
  bool TakeText(size_t max_size, std::string* text) {
    uint16_t size = 0;
    if (!Take(&size) || size > max_size || rest_.size() < size) return false;
    text->assign(rest_.substr(0, size));
    rest_.remove_prefix(size);
    return true;
  }
  template <typename T>
  bool TakeAll(size_t count, std::vector<T>* values) {
    if (rest_.size() / sizeof(T) < count) return false;
    values->resize(count);
    if (count > 0) std::memcpy(values->data(), rest_.data(), count * sizeof(T));
    rest_.remove_prefix(count * sizeof(T));
    return true;
  }
  size_t left() const { return rest_.size(); }

 private:
  std::string_view rest_;
};

absl::Status DamagedModel(std::string_view what) {
  return absl::DataLossError(Concat("the builtin/lsa model is damaged: ", what));
}

absl::Status ParseTerms(Reader* reader, uint32_t count, std::vector<std::string>* terms) {
  // Each term takes three bytes at least, so that a count alone cannot ask for memory.
  if (reader->left() / 3 < count) return DamagedModel("its vocabulary is cut off");
  terms->reserve(count);
  for (uint32_t i = 0; i < count; ++i) {
    std::string term;
    if (!reader->TakeText(Analyzer::kMaxTermBytes, &term) || term.empty()) {
      return DamagedModel(Concat("term ", i, " is cut off, empty or too long"));
    }
    if (!terms->empty() && terms->back() >= term)
      return DamagedModel(Concat("term ", i, " is out of order"));
    terms->push_back(std::move(term));
  }
  return absl::OkStatus();
}

}  // namespace

std::string LsaModel::Serialize() const {
  std::string bytes(kMagic);
  Put(kFormat, &bytes);
  Put(dim, &bytes);
  Put(rank, &bytes);
  Put(static_cast<uint32_t>(terms.size()), &bytes);
  Put(training_texts, &bytes);
  PutText(language, &bytes);
  for (const std::string& term : terms) PutText(term, &bytes);
  PutAll(idf, &bytes);
  PutAll(loadings, &bytes);
  Put(static_cast<uint64_t>(XXH3_64bits(bytes.data(), bytes.size())), &bytes);
  return bytes;
}

absl::StatusOr<LsaModel> LsaModel::Parse(std::string_view bytes) {
  if (bytes.substr(0, kMagic.size()) != kMagic) return DamagedModel("it does not start with \"VLSA\"");
  Reader header(bytes.substr(kMagic.size()));
  uint32_t format = 0;
  if (!header.Take(&format)) return DamagedModel("it is cut off");
  if (format > kFormat) {
    return absl::FailedPreconditionError(Concat("the builtin/lsa model has format ", format,
                                                "; this program reads up to ", kFormat));
  }
  uint64_t checksum = 0;
  if (format == 0 || bytes.size() < kMagic.size() + sizeof(format) + sizeof(checksum))
    return DamagedModel("it is cut off");
  const std::string_view sealed = bytes.substr(0, bytes.size() - sizeof(checksum));
  std::memcpy(&checksum, bytes.data() + sealed.size(), sizeof(checksum));
  if (checksum != XXH3_64bits(sealed.data(), sealed.size()))
    return DamagedModel("its checksum does not match");

  Reader reader(sealed.substr(kMagic.size() + sizeof(format)));
  LsaModel model;
  uint32_t terms = 0;
  if (!reader.Take(&model.dim) || !reader.Take(&model.rank) || !reader.Take(&terms) ||
      !reader.Take(&model.training_texts) || !reader.TakeText(kMaxLanguageBytes, &model.language)) {
    return DamagedModel("its header is cut off");
  }
  if (model.dim == 0 || model.dim > Limits::kMaxDim || model.rank == 0 || model.rank > model.dim) {
    return DamagedModel(Concat("dimension ", model.dim, " and rank ", model.rank, " are out of bounds"));
  }
  if (terms == 0 || terms > kMaxTerms) return DamagedModel(Concat("it has ", terms, " terms"));
  if (absl::Status status = ParseTerms(&reader, terms, &model.terms); !status.ok()) return status;
  if (!reader.TakeAll(terms, &model.idf)) return DamagedModel("its term weights are cut off");
  if (reader.left() != uint64_t{terms} * model.rank * sizeof(float) ||
      !reader.TakeAll(size_t{terms} * model.rank, &model.loadings)) {
    return DamagedModel("its matrix has another size than its header says");
  }
  for (double idf : model.idf) {
    if (!std::isfinite(idf) || idf <= 0) return DamagedModel("a term weight is not a positive number");
  }
  for (float loading : model.loadings) {
    if (!std::isfinite(loading)) return DamagedModel("an entry of its matrix is not finite");
  }
  return model;
}

}  // namespace vouch
