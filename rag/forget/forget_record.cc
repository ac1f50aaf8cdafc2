#include "rag/forget/forget_record.h"

#include "rag/record_reader.h"
#include "storage/concat.h"
#include "storage/store.h"

namespace vouch {
namespace {

constexpr int kForgetFormat = 1;
constexpr size_t kMaxKeyBytes = 4'000;

}  // namespace

std::string ForgottenKey(std::string_view document) {
  // A key has its limit; so long an id is named by its hash, and stands in the record.
  return Concat(kForgottenPrefix, document.size() <= kMaxKeyBytes ? std::string(document) : ContentHash(document));
}

std::string EncodeForgetRecord(const ForgetRecord& record) {
  const RecordJson json = {{"format", kForgetFormat},
                           {"document", record.document},
                           {"reason", record.reason},
                           {"subject", record.subject},
                           {"started_us", record.started_us},
                           {"finished_us", record.finished_us},
                           {"version", record.version},
                           {"points", record.points},
                           {"rows", record.rows},
                           {"sources", record.sources},
                           {"kept_sources", record.kept_sources},
                           {"answers", record.answers},
                           {"texts", record.texts},
                           {"results", record.results},
                           {"reference_rows", record.reference_rows},
                           {"compacted", record.compacted}};
  return json.dump(-1, ' ', false, RecordJson::error_handler_t::replace);
}

absl::StatusOr<ForgetRecord> DecodeForgetRecord(std::string_view text) {
  const RecordJson json = RecordJson::parse(text, nullptr, /*allow_exceptions=*/false);
  RecordReader reader(json, "", "the entry of a forgotten source");
  int64_t format = 0;
  reader.Take("format", &format);
  if (reader.status().ok() && format > kForgetFormat) {
    return absl::FailedPreconditionError(
        Concat("the entry of a forgotten source has format ", format, "; this program reads up to ", kForgetFormat));
  }
  ForgetRecord record;
  reader.Take("document", &record.document);
  reader.Take("reason", &record.reason);
  reader.Take("subject", &record.subject);
  reader.Take("started_us", &record.started_us);
  reader.Take("finished_us", &record.finished_us);
  reader.Take("version", &record.version);
  reader.Take("points", &record.points);
  reader.Take("rows", &record.rows);
  reader.TakeList("sources", &record.sources, ReadRecordText);
  reader.TakeList("kept_sources", &record.kept_sources, ReadRecordText);
  reader.Take("answers", &record.answers);
  reader.Take("texts", &record.texts);
  reader.Take("results", &record.results);
  if (reader.Has("reference_rows")) reader.Take("reference_rows", &record.reference_rows);
  reader.Take("compacted", &record.compacted);
  if (!reader.status().ok()) return reader.status();
  return record;
}

}  // namespace vouch
