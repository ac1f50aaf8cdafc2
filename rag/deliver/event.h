#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "storage/commit.h"
#include "storage/journal.h"

namespace vouch {

// Something that happened, or is about to, as a CloudEvent (CloudEvents 1.0). The id is the same at
// every delivery: of a change it is made of its audit entry's hash, of a commit of collection and
// version.
struct Event {
  std::string id = {};
  std::string source = {};   // "/vouch/TENANT"
  std::string type = {};     // "after.promote"; on the wire "vouch.after.promote"
  std::string subject = {};  // "pipeline/support@champion": order is kept among those of one
  int64_t time_us = 0;
  std::string data = {};  // JSON
};

// What is told when it has been done, and what is asked before; the latter can be refused.
const std::vector<std::string>& AfterEvents();   // "after.commit", …
const std::vector<std::string>& BeforeEvents();  // "before.promote", …

// The structured JSON of the specification, content type application/cloudevents+json.
std::string EventToJson(const Event& event);

// The event that an entry of the audit log stands for; nullopt where it stands for none.
std::optional<Event> EventOfEntry(const AuditEntry& entry);
Event EventOfCommit(std::string_view tenant, const std::string& collection,
                    uint64_t collection_number, const CommitHeader& header);
// Asked before a change, which has no entry yet.
Event BeforeEvent(std::string_view tenant, std::string type, std::string subject, std::string data,
                  int64_t time_us);

}  // namespace vouch
