#include "index/segment_maintainer.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "index/dense_offload.h"
#include "index/dense/index_choice.h"
#include "index/merge_policy.h"
#include "index/row_loader.h"
#include "index/segment_builder.h"

namespace vouch {
namespace {

// Fresh segments are merged on the writer's thread by eights up to this many rows: more would stall commits.
constexpr size_t kFreshFanIn = 8;
constexpr uint64_t kMaxFreshMergeRows = 8192;
// Sealed segments: a merge builds graphs anew, so fewer, wider merges.
constexpr size_t kSealedFanIn = 4;
// Rows that are sealed go into a sealed neighbour of up to so many times as many rows, since its graph only takes the new ones
// in; what grows is its file, which is written again, so not into a larger file than this.
constexpr uint64_t kMaxGrowth = 8;
constexpr uint64_t kMaxGrowingFileBytes = uint64_t{512} << 20;
// How often a waiting caller looks at its cancel token.
constexpr std::chrono::milliseconds kWaitSlice(20);

bool NeedsFile(const Segment& segment) {
  return segment.sealed && (segment.file_name.empty() || segment.damaged());
}

// The first of the sealed segments before `begin` that those `rows` rows from there on go into, or `begin`: where its graphs
// can be extended, or it is the smaller part anyway.
size_t GrowFrom(const std::vector<SegmentPtr>& segments, size_t begin, uint64_t rows, uint64_t max_rows) {
  size_t best = begin;
  for (size_t at = begin; at > 0 && segments[at - 1]->sealed; --at) {
    const Segment& first = *segments[at - 1];
    const uint64_t total = rows + first.rows.size();
    if (first.rows.size() > kMaxGrowth * rows || first.file_bytes > kMaxGrowingFileBytes || total > max_rows) break;
    if (first.rows.size() <= rows || GraphsMayGrowTo(first, total)) best = at - 1;
    rows = total;
  }
  return best;
}

}  // namespace

SegmentMaintainer::SegmentMaintainer(IndexOptions options, std::unique_ptr<IndexDirectory> directory,
                                     std::shared_ptr<const SegmentSet> initial, std::shared_ptr<const RowTruth> rows,
                                     PurgedRows purged, uint64_t files_damaged)
    : options_(std::move(options)),
      directory_(std::move(directory)),
      schema_(initial->schema),
      rows_(std::move(rows)),
      current_(std::move(initial)),
      purged_(std::move(purged)),
      purge_due_(purged_.count() > 0),
      reseal_rows_(files_damaged > 0 ? current_->rows : 0),
      files_damaged_(files_damaged) {
  CountMemory();
}

std::shared_ptr<const SegmentSet> SegmentMaintainer::Current() const {
  std::lock_guard lock(mu_);
  return current_;
}

void SegmentMaintainer::ReportError(const absl::Status& status) {
  std::lock_guard lock(mu_);
  last_error_ = status;
}

void SegmentMaintainer::ReportDamage(const std::string& file) {
  if (options_.warn) {
    options_.warn(absl::StrCat("index file '", options_.directory, "/", file,
                               "' is damaged: its vectors are read from the store until it is written anew"));
  }
  std::lock_guard lock(mu_);
  ++files_damaged_;
  ScheduleIfDue();
}

void SegmentMaintainer::Purge(std::span<const RowRange> rows) {
  if (rows.empty()) return;
  std::lock_guard lock(mu_);
  for (const RowRange& range : rows) purged_.Add(range);
  purge_due_ = true;
  ScheduleIfDue();
}

void SegmentMaintainer::SetSchema(std::shared_ptr<const IndexSchema> schema) {
  std::lock_guard lock(mu_);
  auto next = std::make_shared<SegmentSet>(*current_);
  next->schema = std::move(schema);
  current_ = std::move(next);
}

void SegmentMaintainer::SetOffload(std::shared_ptr<SegmentOffload> offload) {
  std::lock_guard lock(mu_);
  auto next = std::make_shared<SegmentSet>(*current_);
  next->offload = std::move(offload);
  current_ = std::move(next);
  if (current_->offload != nullptr) current_->offload->Publish(current_->segments);
}

// --- taking in commits ---

// The segments with the tail merged as far as the policy says; unchanged where nothing is due or a merge failed, since
// merging is never needed for correctness.
std::vector<SegmentPtr> SegmentMaintainer::MergeTail(const std::vector<SegmentPtr>& segments,
                                                     uint64_t busy_end) const {
  size_t first = segments.size();
  std::vector<uint64_t> sizes;
  while (first > 0 && !segments[first - 1]->sealed && segments[first - 1]->rows.begin.value >= busy_end &&
         segments[first - 1]->rows.size() < kMaxFreshMergeRows) {
    sizes.push_back(segments[--first]->rows.size());
  }
  std::reverse(sizes.begin(), sizes.end());
  const std::optional<MergeRange> range = PickTailMerge(sizes, kFreshFanIn, kMaxFreshMergeRows);
  if (!range) return segments;
  const auto begin = segments.begin() + static_cast<ptrdiff_t>(first + range->begin);
  absl::StatusOr<SegmentPtr> merged = MergeSegments(*schema_, std::span<const SegmentPtr>(begin, segments.end()));
  if (merged.ok()) merged = AddCodes(*std::move(merged), segments);
  if (!merged.ok()) return segments;
  std::vector<SegmentPtr> result(segments.begin(), begin);
  result.push_back(*std::move(merged));
  return result;
}

void SegmentMaintainer::Append(std::vector<SegmentPtr> fresh, Version version) {
  std::shared_ptr<const SegmentSet> base;
  uint64_t busy_end = 0;
  {
    std::lock_guard lock(mu_);
    base = current_;
    busy_end = busy_end_;
  }
  std::vector<SegmentPtr> segments = base->segments;
  uint64_t rows = base->rows;
  if (!fresh.empty()) {
    rows = fresh.back()->rows.end.value;
    segments.insert(segments.end(), fresh.begin(), fresh.end());
    segments = MergeTail(segments, busy_end);
  }
  std::lock_guard lock(mu_);
  if (current_ != base || busy_end_ != busy_end) {
    // A job began or published meanwhile: its range may reach into the merge, so this time the rows are only added.
    segments = current_->segments;
    segments.insert(segments.end(), fresh.begin(), fresh.end());
  }
  PublishSet(std::move(segments), version, rows);
  ScheduleIfDue();
}

void SegmentMaintainer::PublishSet(std::vector<SegmentPtr> segments, Version latest, uint64_t rows) {
  auto next = std::make_shared<SegmentSet>();
  next->schema = current_->schema;
  next->retired = current_->retired;
  next->segments = std::move(segments);
  next->offload = current_->offload;
  next->latest = latest;
  next->rows = rows;
  current_ = std::move(next);
  if (current_->offload != nullptr) current_->offload->Publish(current_->segments);
  CountMemory();
}

void SegmentMaintainer::CountMemory() {
  if (options_.memory == nullptr) return;
  // A segment's parts do not change, so each is looked at once.
  absl::flat_hash_map<SegmentPtr, uint64_t> counted;
  uint64_t bytes = current_->retired->memory_bytes();
  for (const SegmentPtr& segment : current_->segments) {
    const auto known = counted_.find(segment);
    const uint64_t held = known != counted_.end() ? known->second : segment->Memory().private_bytes();
    counted.emplace(segment, held);
    bytes += held;
  }
  counted_ = std::move(counted);
  options_.memory->SetIndexBytes(this, bytes);
}

void SegmentMaintainer::SealEarly(uint64_t min_bytes) {
  std::lock_guard lock(mu_);
  uint64_t fresh = 0;
  for (const SegmentPtr& segment : current_->segments) {
    if (segment->sealed) continue;
    const auto known = counted_.find(segment);
    fresh += known != counted_.end() ? known->second : segment->Memory().private_bytes();
  }
  if (fresh < std::max<uint64_t>(1, min_bytes)) return;
  reseal_rows_ = current_->rows;
  ScheduleIfDue();
}

void SegmentMaintainer::Replace(const std::vector<SegmentPtr>& parts, SegmentPtr whole) {
  std::vector<SegmentPtr> segments = current_->segments;
  const auto begin = std::find(segments.begin(), segments.end(), parts.front());
  // Invariant 1: the parts stand there, one after the other.
  const auto after = segments.erase(begin, begin + static_cast<ptrdiff_t>(parts.size()));
  segments.insert(after, std::move(whole));
  PublishSet(std::move(segments), current_->latest, current_->rows);
}

// --- what is due ---

std::string SegmentMaintainer::Task::Describe() const {
  static constexpr const char* kWords[] = {"sealing", "merging", "optimizing", "saving", "purging", "rereading"};
  return absl::StrCat(kWords[static_cast<size_t>(kind)], " rows [", rows().begin.value, ", ", rows().end.value,
                      ") of ", parts.size(), parts.size() == 1 ? " segment" : " segments");
}

std::optional<SegmentMaintainer::Task> SegmentMaintainer::PickTask() const {
  const std::vector<SegmentPtr>& segments = current_->segments;
  if (std::optional<Task> task = PickReread(segments)) return task;
  if (std::optional<Task> task = PickOptimize(segments)) return task;
  if (current_->rows < retry_rows_) return std::nullopt;
  if (std::optional<Task> task = PickSeal(segments)) return task;
  if (std::optional<Task> task = PickMergeOfSealed(segments)) return task;
  if (std::optional<Task> task = PickPurge(segments)) return task;
  for (const SegmentPtr& segment : segments) {
    if (!NeedsFile(*segment)) continue;
    // What was let go cannot be read again for a file that is damaged.
    const bool lacks = segment->damaged() && CountUndropped(*segment, purged_) > 0;
    return Task{lacks ? TaskKind::kPurge : TaskKind::kSave, {segment}, 0};
  }
  return std::nullopt;
}

// One segment at a time, so that what is merged next has nothing of the old content.
std::optional<SegmentMaintainer::Task> SegmentMaintainer::PickReread(const std::vector<SegmentPtr>& segments) const {
  for (const SegmentPtr& segment : segments) {
    if (reread_.empty()) break;
    const auto row = reread_.lower_bound(segment->rows.begin.value);
    if (row != reread_.end() && row->first < segment->rows.end.value) return Task{TaskKind::kReread, {segment}, rereads_};
  }
  return std::nullopt;
}

bool SegmentMaintainer::IsMuchPurged(const Segment& segment) const {
  const uint64_t held = segment.rows.size() - segment.ids->dropped_rows();
  const uint64_t undropped = CountUndropped(segment, purged_);
  return undropped > 0 && undropped * kPurgedShare >= held;
}

// Fresh segments lose what was let go when they are sealed.
std::optional<SegmentMaintainer::Task> SegmentMaintainer::PickPurge(const std::vector<SegmentPtr>& segments) const {
  if (!purge_due_) return std::nullopt;
  for (const SegmentPtr& segment : segments) {
    if (segment->sealed && IsMuchPurged(*segment)) return Task{TaskKind::kPurge, {segment}, 0};
  }
  purge_due_ = false;
  return std::nullopt;
}

// Groups of neighbours as large as max_segment_rows allows; a group of one sealed segment with a file is done, where its graphs
// follow from its rows alone.
std::optional<SegmentMaintainer::Task> SegmentMaintainer::PickOptimize(const std::vector<SegmentPtr>& segments) const {
  for (size_t begin = 0; begin < segments.size() && segments[begin]->rows.begin.value < optimize_rows_;) {
    uint64_t rows = 0;
    size_t end = begin;
    while (end < segments.size() && segments[end]->rows.begin.value < optimize_rows_ &&
           (end == begin || rows + segments[end]->rows.size() <= options_.max_segment_rows)) {
      rows += segments[end++]->rows.size();
    }
    const std::vector<SegmentPtr> group(segments.begin() + static_cast<ptrdiff_t>(begin),
                                        segments.begin() + static_cast<ptrdiff_t>(end));
    if (group.size() > 1 || !group[0]->sealed || HasGrownGraphs(*group[0]) || CountUndropped(*group[0], purged_) > 0) {
      return Task{TaskKind::kOptimize, group, 0};
    }
    if (NeedsFile(*group[0])) return Task{TaskKind::kSave, group, 0};
    begin = end;
  }
  return std::nullopt;
}

// The first run of unsealed segments that is large enough, or lies where a damaged file was.
std::optional<SegmentMaintainer::Task> SegmentMaintainer::PickSeal(const std::vector<SegmentPtr>& segments) const {
  for (size_t begin = 0; begin < segments.size(); ++begin) {
    if (segments[begin]->sealed) continue;
    Task task;
    uint64_t rows = 0;
    size_t end = begin;
    for (; end < segments.size() && !segments[end]->sealed; ++end) {
      if (end > begin && rows + segments[end]->rows.size() > options_.max_segment_rows) break;
      rows += segments[end]->rows.size();
      task.parts.push_back(segments[end]);
    }
    const bool before_sealed = end < segments.size() && segments[end]->sealed;
    const bool lost = segments[begin]->rows.begin.value < reseal_rows_;
    const bool due = rows >= options_.seal_rows;
    if (due && !before_sealed && !lost) {
      const size_t first = GrowFrom(segments, begin, rows, options_.max_segment_rows);
      task.parts.insert(task.parts.begin(), segments.begin() + static_cast<ptrdiff_t>(first),
                        segments.begin() + static_cast<ptrdiff_t>(begin));
    }
    if (due || before_sealed || lost) return task;
    begin = end;
  }
  return std::nullopt;
}

std::optional<SegmentMaintainer::Task> SegmentMaintainer::PickMergeOfSealed(
    const std::vector<SegmentPtr>& segments) const {
  std::vector<uint64_t> sizes;
  for (const SegmentPtr& segment : segments) {
    if (!segment->sealed) break;
    sizes.push_back(segment->rows.size());
  }
  const std::optional<MergeRange> range = PickMerge(sizes, kSealedFanIn, options_.max_segment_rows);
  if (!range) return std::nullopt;
  return Task{TaskKind::kMerge,
              {segments.begin() + static_cast<ptrdiff_t>(range->begin),
               segments.begin() + static_cast<ptrdiff_t>(range->end)}};
}

// --- the background ---

void SegmentMaintainer::ScheduleIfDue() {
  if (scheduled_ || stopping_.load() || !PickTask()) return;
  scheduled_ = true;
  options_.job_pool->Submit([self = shared_from_this()] { self->RunJobs(); });
}

void SegmentMaintainer::Start() {
  std::lock_guard lock(mu_);
  ScheduleIfDue();
}

void SegmentMaintainer::RunJobs() {
  std::unique_lock lock(mu_);
  if (stopping_.load()) return;
  running_ = true;
  if (std::optional<Task> task = PickTask()) {
    busy_end_ = task->rows().end.value;
    building_ = task->Describe();
    build_rows_ = task->rows().size();
    build_began_ = std::chrono::steady_clock::now();
    build_fraction_.store(0);
    changed_.notify_all();
    lock.unlock();
    const absl::Status status = RunTask(*task);
    lock.lock();
    busy_end_ = 0;
    if (status.ok()) {
      last_error_ = absl::OkStatus();
    } else if (!stopping_.load()) {
      last_error_ = status;
      ++failures_;
      optimize_rows_ = 0;  // its caller hears of the failure
      reread_.clear();     // likewise
      retry_rows_ = current_->rows + std::max<uint64_t>(1, options_.seal_rows);
    }
  }
  building_.clear();
  build_fraction_.store(0);
  running_ = false;
  if (!stopping_.load() && PickTask()) {
    // After those of other indexes that wait: one that is written to on and on would keep the thread for ever.
    options_.job_pool->Submit([self = shared_from_this()] { self->RunJobs(); });
  } else {
    optimize_rows_ = 0;
    scheduled_ = false;
  }
  changed_.notify_all();
}

absl::StatusOr<Segment> SegmentMaintainer::BuildSealed(const Task& task, bool short_of_memory) {
  // Optimizing and rereading make what does not depend on how the rows came in.
  const bool anew = task.kind == TaskKind::kOptimize || task.kind == TaskKind::kReread;
  bool grows = !anew && task.parts.size() > 1 && task.parts.front()->sealed;
  const absl::StatusOr<std::vector<SegmentPtr>> parts = LoadParts(task, grows);
  if (!parts.ok()) return parts.status();
  grows = grows && parts->front() == task.parts.front();
  SegmentPtr whole = parts->front();
  if (task.kind == TaskKind::kReread && !task.parts.front()->sealed) return Segment(*whole);
  if (parts->size() > 1) {
    absl::StatusOr<SegmentPtr> merged = MergeSegments(*schema_, *parts);
    if (!merged.ok()) return merged.status();
    whole = *std::move(merged);
  } else if (whole->sealed) {
    absl::StatusOr<Segment> copy = ReadVectors(*schema_, *whole);
    if (!copy.ok()) return copy.status();
    whole = std::make_shared<const Segment>(*std::move(copy));
  }
  std::vector<SegmentPtr> others;
  const std::shared_ptr<const SegmentSet> current = Current();
  for (const SegmentPtr& segment : current->segments) {
    const bool part = segment->rows.begin >= task.rows().begin && segment->rows.end <= task.rows().end;
    if (!anew && !part) others.push_back(segment);
  }
  const BuildProgress progress = [this](double fraction) {
    build_fraction_.store(fraction);
    return stopping_.load() ? absl::CancelledError("the index is closing") : absl::OkStatus();
  };
  absl::StatusOr<Segment> built = BuildGraphs(*schema_, *whole, grows ? task.parts.front().get() : nullptr, others,
                                              options_.job_pool->threads(), progress, short_of_memory,
                                              current->offload == nullptr ? DenseBuildHelp() : current->offload->BuildHelp());
  if (built.ok()) built->sealed = true;
  return built;
}

absl::StatusOr<std::vector<SegmentPtr>> SegmentMaintainer::LoadParts(const Task& task, bool grows) const {
  const std::vector<SegmentPtr>& parts = task.parts;
  std::vector<bool> drop(parts.size());
  {
    std::lock_guard lock(mu_);
    for (size_t i = 0; i < parts.size(); ++i) {
      drop[i] = task.kind == TaskKind::kReread ||
                (grows && i == 0 && !parts[i]->damaged() ? IsMuchPurged(*parts[i])
                                                           : CountUndropped(*parts[i], purged_) > 0);
    }
  }
  const auto scan = [this](RowRange range, const std::function<absl::Status(RowRecord&&)>& visit) {
    return stopping_.load() ? absl::CancelledError("the index is closing") : rows_->Scan(range, visit);
  };
  std::vector<SegmentPtr> loaded_parts = parts;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (!drop[i]) continue;
    absl::StatusOr<SegmentPtr> loaded = LoadSegment(*schema_, scan, parts[i]->rows);
    if (!loaded.ok()) return loaded.status();
    loaded_parts[i] = *std::move(loaded);
  }
  return loaded_parts;
}

uint64_t SegmentMaintainer::BytesToBuild(const Task& task, bool short_of_memory) const {
  // Merged parts are copies, vectors among them; a graph adds its links and codes, and its build about as much again.
  uint64_t bytes = 0;
  for (const SegmentPtr& part : task.parts) {
    const MemoryAccount memory = part->Memory();
    if (task.parts.size() > 1) bytes += memory.private_bytes();
    bytes += memory.mapped_vectors;
  }
  if (task.kind == TaskKind::kSave) return bytes;
  for (const DenseField& field : schema_->schema.dense) {
    const uint64_t rows = task.rows().size();
    bytes += 2 * BytesOfKind(field, ChooseKind(field, rows, short_of_memory).kind, rows);
  }
  return bytes;
}

absl::Status SegmentMaintainer::RunTask(const Task& task) {
  MemoryBudget::Reservation reserved;
  bool short_of_memory = false;
  if (options_.memory != nullptr) {
    const uint64_t usual = BytesToBuild(task, false);
    const uint64_t least = BytesToBuild(task, true);
    absl::StatusOr<MemoryBudget::Reservation> asked = options_.memory->Reserve(usual, task.Describe());
    if (!asked.ok() && least < usual) {
      short_of_memory = true;
      asked = options_.memory->Reserve(least, task.Describe());
    }
    if (!asked.ok()) return asked.status();
    reserved = *std::move(asked);
  }
  absl::StatusOr<Segment> built = task.kind == TaskKind::kSave ? ReadVectors(*schema_, *task.parts.front())
                                                               : BuildSealed(task, short_of_memory);
  if (!built.ok()) return built.status();
  // Where the file cannot be written (a full disk) the segment serves from memory, and writing is tried again later.
  absl::Status saved = built->sealed ? directory_->Save(*schema_, *built) : absl::OkStatus();
  std::vector<SegmentPtr> published;
  {
    std::lock_guard lock(mu_);
    Replace(task.parts, std::make_shared<const Segment>(*std::move(built)));
    if (task.kind == TaskKind::kReread) {
      // What was named since it read the store may have changed since.
      for (auto at = reread_.lower_bound(task.rows().begin.value); at != reread_.end() && at->first < task.rows().end.value;) {
        at = at->second <= task.rereads ? reread_.erase(at) : std::next(at);
      }
    }
    published = current_->segments;
  }
  if (!saved.ok()) return saved;
  return directory_->Publish(published, task.parts);
}

// --- waiting and looking ---

absl::Status SegmentMaintainer::WaitUntil(const CancelToken& cancel, const std::function<bool()>& done,
                                          const std::function<void(double)>& progress) {
  std::unique_lock lock(mu_);
  while (!done()) {
    if (stopping_.load()) return absl::CancelledError("the index is closing");
    changed_.wait_for(lock, kWaitSlice);
    lock.unlock();
    if (progress) progress(build_fraction_.load());
    const absl::Status status = cancel.Check();
    lock.lock();
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status SegmentMaintainer::Optimize(const CancelToken& cancel,
                                         const std::function<void(double fraction)>& progress) {
  uint64_t failures = 0;
  {
    std::lock_guard lock(mu_);
    optimize_rows_ = std::max(optimize_rows_, current_->rows);
    failures = failures_;
    ScheduleIfDue();
  }
  absl::Status status = WaitUntil(cancel, [this] { return !scheduled_; }, progress);
  std::lock_guard lock(mu_);
  if (!status.ok()) {
    optimize_rows_ = 0;  // the task that runs ends; no other is begun for this caller
    return status;
  }
  if (failures_ != failures) return last_error_;
  if (progress) progress(1.0);
  return absl::OkStatus();
}

absl::Status SegmentMaintainer::WaitIdle(const CancelToken& cancel) {
  Start();
  return WaitUntil(cancel, [this] { return !scheduled_; }, nullptr);
}

absl::Status SegmentMaintainer::Reread(std::span<const RowId> rows, const CancelToken& cancel) {
  uint64_t failures = 0;
  {
    std::lock_guard lock(mu_);
    const uint64_t call = ++rereads_;
    for (const RowId row : rows) {
      // Later ones were read from the store after their content was erased, if at all.
      if (row.value < current_->rows) reread_[row.value] = call;
    }
    // Rows that were let go the caller cannot name, since the store has them no more; their content must go as well.
    for (const SegmentPtr& segment : current_->segments) {
      if (CountUndropped(*segment, purged_) > 0) reread_[segment->rows.begin.value] = call;
    }
    failures = failures_;
    ScheduleIfDue();
  }
  const absl::Status status =
      WaitUntil(cancel, [this, failures] { return reread_.empty() || failures_ != failures; }, nullptr);
  std::lock_guard lock(mu_);
  if (!status.ok()) return status;  // it goes on without the caller
  return failures_ == failures ? absl::OkStatus() : last_error_;
}

void SegmentMaintainer::Shutdown() {
  std::unique_lock lock(mu_);
  stopping_.store(true);
  changed_.notify_all();
  changed_.wait(lock, [this] { return !running_; });
  if (options_.memory != nullptr) options_.memory->SetIndexBytes(this, 0);
}

namespace {

std::vector<DenseIndexInfo> DescribeDense(const CollectionSchema& schema, const Segment& segment) {
  std::vector<DenseIndexInfo> described;
  for (size_t i = 0; i < segment.dense.size() && segment.sealed; ++i) {
    const DenseField& field = schema.dense[i];
    IndexChoice choice = ChooseKind(field, segment.dense[i].nodes(), segment.IvfOf(i) != nullptr);
    DenseIndexInfo& info = described.emplace_back();
    info = {.field = field.name,
            .kind = choice.kind,
            .why = std::move(choice.why),
            .vectors = segment.dense[i].nodes(),
            .ef = 0,
            .recall = 0};
    const RecallCurves* recalls = segment.RecallsOf(i);
    if (recalls == nullptr) continue;
    const size_t ef = recalls->EfFor(field.recall_target, 10, 1);
    info.ef = static_cast<uint32_t>(ef);
    info.recall = recalls->RecallAt(ef, 10, 1);
  }
  return described;
}

}  // namespace

IndexStatus SegmentMaintainer::Status() const {
  std::lock_guard lock(mu_);
  IndexStatus status;
  for (const SegmentPtr& segment : current_->segments) {
    const MemoryAccount memory = segment->Memory();
    status.memory += memory;
    status.segments.push_back({.rows = segment->rows,
                               .sealed = segment->sealed,
                               .memory_bytes = memory.private_bytes(),
                               .mapped_bytes = memory.mapped_vectors,
                               .file_bytes = segment->file_bytes,
                               .build_id = segment->build_id,
                               .dense = DescribeDense(schema_->schema, *segment)});
  }
  status.memory.visibility += current_->retired->memory_bytes();
  status.files_damaged = files_damaged_;
  status.building = building_;
  status.build_fraction = build_fraction_.load();
  if (!building_.empty()) {
    // What is merged before the graphs and written after them is not in the fraction, and takes little of the time.
    constexpr double kLeastFraction = 0.02;
    const std::chrono::duration<double> since = std::chrono::steady_clock::now() - build_began_;
    status.build_rows = build_rows_;
    status.build_seconds = since.count();
    if (status.build_fraction >= kLeastFraction) {
      status.build_seconds_left = status.build_seconds * (1 - status.build_fraction) / status.build_fraction;
    }
  }
  if (!last_error_.ok()) status.last_error = last_error_.ToString();
  return status;
}

}  // namespace vouch
