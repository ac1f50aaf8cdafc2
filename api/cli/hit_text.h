#pragma once

#include <string>

#include "vouch/v1/search.pb.h"

namespace vouch {

// Hits for people: rank, score, title and heading, id, where it stands in its source, a snippet;
// with `explain` how each node of the query saw it and what the terms gave.
std::string FormatHits(const google::protobuf::RepeatedPtrField<v1::Hit>& hits, uint32_t first_rank,
                       const std::string& query, bool explain);

// Hits under the values of their groups.
std::string FormatGroups(const v1::SearchResponse& response, const std::string& path,
                         const std::string& query, bool explain);

// A table for each facet; empty where there is none.
std::string FormatFacets(const v1::SearchResponse& response);

// What the planner did, one line a node.
std::string FormatPlan(const v1::SearchResponse& response);

// The verdict, and a line for each stage.
std::string FormatWhyNot(const v1::WhyNotResponse& response);

// With plan_only: what would be done.
std::string FormatPlanOnly(const v1::SearchResponse& response);

}  // namespace vouch
