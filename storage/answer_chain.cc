#include "storage/answer_chain.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "storage/checksum.h"
#include "storage/coding.h"
#include "storage/concat.h"
#include "storage/rocks.h"

namespace vouch {

namespace {

constexpr std::string_view kStartTag = "vouch answer chain 1";
constexpr std::string_view kLinkTag = "vouch answer link 1";

Digest TakeDigest(Decoder& decoder) {
  Digest digest{};
  const std::string_view bytes = decoder.Bytes(digest.size());
  std::copy(bytes.begin(), bytes.end(), digest.begin());
  return digest;
}

// One walk of a chain.
class ChainWalk {
 public:
  ChainWalk(const Rocks& rocks, TenantNumber tenant,
            const std::function<absl::Status(uint64_t, uint64_t)>& progress)
      : rocks_(rocks), tenant_(tenant), progress_(progress) {}

  absl::StatusOr<AnswerChainReport> Run() {
    // Answers may be kept meanwhile: what the scan sees is between the two readings of the tip.
    if (absl::Status status = ReadTip(&tip_before_); !status.ok()) return status;
    if (absl::Status status = WalkLinks(); !status.ok()) return status;
    if (absl::Status status = ReadTip(&tip_); !status.ok()) return status;
    CheckEnd();
    if (absl::Status status = WalkRecords(); !status.ok()) return status;
    // By number; what has none comes last.
    std::stable_sort(report_.problems.begin(), report_.problems.end(),
                     [](const AnswerProblem& a, const AnswerProblem& b) { return a.number - 1 < b.number - 1; });
    return std::move(report_);
  }

 private:
  void Problem(uint64_t number, std::string_view id, std::string what) {
    reported_.insert(number);
    if (report_.problems.size() >= AnswerChainReport::kMaxProblems) return;
    report_.problems.push_back({.number = number, .id = std::string(id), .what = std::move(what)});
  }

  absl::Status ReadTip(std::optional<ChainTip>* tip) {
    auto value = rocks_.Get(Family::kAnswers, AnswerTipKey(tenant_));
    if (!value.ok()) return value.status();
    if (!value->has_value()) return absl::OkStatus();
    absl::StatusOr<ChainTip> decoded = DecodeChainTip(**value);
    if (decoded.ok()) {
      *tip = *decoded;
    } else if (!reported_.contains(0)) {
      Problem(0, "", "the chain's tip is damaged, so that links may be missing at its end");
    }
    return absl::OkStatus();
  }

  absl::Status WalkLinks() {
    const std::string begin = AnswerLinkKeyPrefix(tenant_);
    absl::Status status;
    const absl::Status scanned =
        rocks_.Scan(Family::kAnswers, begin, PrefixEnd(begin), [&](std::string_view key, std::string_view value) {
          Decoder decoder(key.substr(begin.size()));
          const uint64_t number = decoder.Be64();
          if (decoder.Done()) {
            TakeLink(number, value);
          } else {
            Problem(0, "", Concat("the key \"", Escape(key, 64), "\" is that of no link"));
          }
          if (progress_ && ++visited_ % AnswerChainReport::kLinksBetweenProgress == 0) {
            status = progress_(visited_, tip_before_ ? tip_before_->last - tip_before_->first + 1 : visited_);
          }
          return status.ok();
        });
    return status.ok() ? scanned : status;
  }

  // Links come in the order of their numbers.
  void TakeLink(uint64_t number, std::string_view value) {
    if (report_.first == 0) {
      report_.first = number;
      if (tip_before_ && tip_before_->first < number) {
        Missing(tip_before_->first, number);
        previous_.reset();
      } else {
        previous_ = ChainStart(tenant_, number);
      }
    } else if (number != report_.last + 1) {
      Missing(report_.last + 1, number);
      previous_.reset();
    }
    report_.last = number;
    absl::StatusOr<StoredLink> stored = DecodeAnswerLink(number, value);
    if (!stored.ok()) {
      Problem(number, IdInOrder(number), "its link was changed: it does not decode");
      previous_.reset();
      return;
    }
    const Digest hash = HashLink(tenant_, stored->id, stored->link);
    if (hash != stored->link.hash) {
      Problem(number, stored->id, "its link was changed: its hash is another one");
    } else if (previous_ && *previous_ != stored->link.previous) {
      Problem(number, stored->id,
              "it does not follow the answer before it: one of the two was changed, put in or moved");
    }
    previous_ = stored->link.hash;
    report_.head = stored->link.hash;
    CheckRecord(*stored);
  }

  // Links [from, to) are not there.
  void Missing(uint64_t from, uint64_t to) {
    Problem(from, IdInOrder(from),
            to - from == 1 ? std::string("it was removed: its link is not there")
                           : Concat("it was removed, and with it all to number ", to - 1,
                                    ": their links are not there"));
    removed_.emplace_back(from, to);
  }

  // The answer that the order names for a number; empty where it names none.
  std::string IdInOrder(uint64_t number) const {
    const auto id = rocks_.Get(Family::kAnswers, AnswerOrderKey(tenant_, number));
    return id.ok() ? id->value_or("") : "";
  }

  void CheckRecord(const StoredLink& stored) {
    const AnswerLink& link = stored.link;
    const auto named = rocks_.Get(Family::kAnswers, AnswerOrderKey(tenant_, link.number));
    if (named.ok() && !named->has_value()) {
      Problem(link.number, stored.id, "it was removed from the order of answers");
    } else if (named.ok() && **named != stored.id) {
      Problem(link.number, stored.id, Concat("the order of answers has \"", Escape(**named), "\" in its place"));
    }
    const auto value = rocks_.Get(Family::kAnswers, AnswerKey(tenant_, stored.id));
    if (!value.ok()) return Problem(link.number, stored.id, "its record cannot be read");
    if (!value->has_value()) return Problem(link.number, stored.id, "its record was removed");
    const absl::StatusOr<StoredAnswer> answer = DecodeStoredAnswer(stored.id, **value);
    if (!answer.ok()) return Problem(link.number, stored.id, "its record was changed: it is damaged");
    if (answer->number != link.number) return CheckReplaced(stored, answer->number);
    const AnswerDigest digest = DigestAnswer(answer->record, stored.salts);
    if (digest.digest != link.content) {
      return Problem(link.number, stored.id, "its record was changed: its digest is another one than its link names");
    }
    ++report_.answers;
    if (digest.erased > 0) ++report_.erased;
  }

  // A record that was put again stands under its later number, whose link names it.
  void CheckReplaced(const StoredLink& stored, uint64_t number) {
    const auto value = rocks_.Get(Family::kAnswers, AnswerLinkKey(tenant_, number));
    if (number > stored.link.number && value.ok() && value->has_value()) {
      const absl::StatusOr<StoredLink> later = DecodeAnswerLink(number, **value);
      if (later.ok() && later->id == stored.id) {
        ++report_.replaced;
        return;
      }
    }
    Problem(stored.link.number, stored.id,
            Concat("its record was changed: it claims the place ", number, " in the order"));
  }

  void CheckEnd() {
    if (!tip_) {
      if (report_.first != 0 && reported_.empty())
        Problem(report_.last, IdInOrder(report_.last), "the chain's tip, which names it, was removed");
      return;
    }
    if (report_.first == 0) {
      report_.head = tip_->head;
      if (tip_before_ && tip_before_->last >= tip_before_->first)
        Missing(tip_before_->first, tip_before_->last + 1);
    } else if (tip_before_ && report_.last < tip_before_->last) {
      Missing(report_.last + 1, tip_before_->last + 1);
    } else if (report_.last > tip_->last) {
      Problem(tip_->last + 1, IdInOrder(tip_->last + 1), "it was put in after the end of the chain");
    } else if (report_.last == tip_->last && report_.head != tip_->head) {
      Problem(report_.last, IdInOrder(report_.last), "its link was changed: the chain's tip names another one");
    }
  }

  // Records that no link names: older than the chain, or put in.
  absl::Status WalkRecords() {
    const std::string begin = AnswerKey(tenant_, "");
    return rocks_.Scan(Family::kAnswers, begin, PrefixEnd(begin), [&](std::string_view key, std::string_view value) {
      const std::string_view id = key.substr(begin.size());
      const absl::StatusOr<StoredAnswer> answer = DecodeStoredAnswer(id, value);
      const uint64_t first = tip_ ? tip_->first : report_.first != 0 ? report_.first : UINT64_MAX;
      if (answer.ok() && answer->number < first) {
        ++report_.unchained;
      } else if (answer.ok()) {
        const auto link = rocks_.Get(Family::kAnswers, AnswerLinkKey(tenant_, answer->number));
        if (link.ok() && !link->has_value() && !IsReported(answer->number)) {
          Problem(answer->number, id, "its record was put in: no link names it");
        }
      } else if (first == UINT64_MAX) {
        Problem(0, id, "its record is damaged");
      }
      return true;
    });
  }

  bool IsReported(uint64_t number) const {
    if (reported_.contains(number)) return true;
    return std::any_of(removed_.begin(), removed_.end(),
                       [&](const auto& range) { return number >= range.first && number < range.second; });
  }

  const Rocks& rocks_;
  const TenantNumber tenant_;
  const std::function<absl::Status(uint64_t, uint64_t)>& progress_;
  AnswerChainReport report_;
  std::optional<ChainTip> tip_before_;  // before the links were looked at
  std::optional<ChainTip> tip_;         // after
  std::set<uint64_t> reported_;
  std::vector<std::pair<uint64_t, uint64_t>> removed_;  // ranges of numbers without a link
  std::optional<Digest> previous_;  // hash of the link before, where it is known
  uint64_t visited_ = 0;
};

}  // namespace

std::string EncodeStoredAnswer(uint64_t number, std::string_view record) {
  std::string value;
  value.reserve(record.size() + 16);
  PutBe64(value, number);
  value.append(record);
  Seal(value, 0);
  return value;
}

absl::StatusOr<StoredAnswer> DecodeStoredAnswer(std::string_view id, std::string_view value) {
  std::string_view content;
  if (!Unseal(value, 0, content) || content.size() < 8) {
    return absl::DataLossError(Concat("the answer \"", Escape(id), "\" is damaged"));
  }
  return StoredAnswer{ReadBe64(content.data()), content.substr(8)};
}

std::string EncodeAnswerLink(const StoredLink& stored) {
  std::string value;
  PutByte(value, 1);
  value.append(DigestBytes(stored.link.previous));
  value.append(DigestBytes(stored.link.content));
  value.append(DigestBytes(stored.link.hash));
  PutBlock(value, stored.id);
  PutBlock(value, stored.salts.Encode());
  Seal(value, stored.link.number);
  return value;
}

absl::StatusOr<StoredLink> DecodeAnswerLink(uint64_t number, std::string_view value) {
  std::string_view content;
  const bool sealed = Unseal(value, number, content);
  Decoder decoder(content);
  const uint8_t version = decoder.Byte();
  StoredLink stored;
  stored.link.number = number;
  stored.link.previous = TakeDigest(decoder);
  stored.link.content = TakeDigest(decoder);
  stored.link.hash = TakeDigest(decoder);
  stored.id = decoder.Block();
  const bool salts = AnswerSalts::Decode(decoder.Block(), &stored.salts);
  if (!sealed || version != 1 || !salts || !decoder.Done()) {
    return absl::DataLossError(Concat("link ", number, " of the answers' chain is damaged"));
  }
  return stored;
}

std::string EncodeChainTip(const ChainTip& tip) {
  std::string value;
  PutByte(value, 1);
  PutBe64(value, tip.first);
  PutBe64(value, tip.last);
  value.append(DigestBytes(tip.head));
  Seal(value, 0);
  return value;
}

absl::StatusOr<ChainTip> DecodeChainTip(std::string_view value) {
  std::string_view content;
  const bool sealed = Unseal(value, 0, content);
  Decoder decoder(content);
  const uint8_t version = decoder.Byte();
  ChainTip tip;
  tip.first = decoder.Be64();
  tip.last = decoder.Be64();
  tip.head = TakeDigest(decoder);
  if (!sealed || version != 1 || !decoder.Done() || tip.first == 0 || tip.last < tip.first - 1) {
    return absl::DataLossError("the tip of the answers' chain is damaged");
  }
  return tip;
}

Digest ChainStart(TenantNumber tenant, uint64_t first) {
  std::string bytes(kStartTag);
  PutBe32(bytes, static_cast<uint32_t>(tenant.value));
  PutBe64(bytes, first);
  Sha256 sha;
  sha.Update(bytes);
  return sha.Finish();
}

Digest HashLink(TenantNumber tenant, std::string_view id, const AnswerLink& link) {
  std::string bytes(kLinkTag);
  PutBe32(bytes, static_cast<uint32_t>(tenant.value));
  PutBe64(bytes, link.number);
  PutBlock(bytes, id);
  bytes.append(DigestBytes(link.previous));
  bytes.append(DigestBytes(link.content));
  Sha256 sha;
  sha.Update(bytes);
  return sha.Finish();
}

absl::StatusOr<AnswerChainReport> WalkAnswerChain(
    const Rocks& rocks, TenantNumber tenant,
    const std::function<absl::Status(uint64_t done, uint64_t all)>& progress) {
  return ChainWalk(rocks, tenant, progress).Run();
}

}  // namespace vouch
