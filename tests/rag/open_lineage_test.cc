// OpenLineage events and PROV documents, checked by the rules of their specifications.
#include "rag/export/open_lineage.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <regex>
#include <set>

#include "rag/export/prov.h"
#include "rag/forget/forget.h"
#include "tests/rag/vouched_store.h"

namespace vouch {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using Json = nlohmann::json;

bool IsUri(const Json& value) {
  static const std::regex uri("[a-z][a-z0-9+.-]*:[^ ]+");
  return value.is_string() && std::regex_match(value.get<std::string>(), uri);
}

void CheckFacets(const Json& owner, const char* key, std::vector<std::string>* wrong) {
  if (!owner.contains(key)) return;
  for (const auto& [name, facet] : owner[key].items()) {
    if (!IsUri(facet["_producer"]) || !IsUri(facet["_schemaURL"])) wrong->push_back("facet " + name);
    const bool own = facet["_schemaURL"].get<std::string>().starts_with("urn:vouchdb:");
    if (own && !name.starts_with("vouchdb_")) wrong->push_back("a custom facet without a prefix: " + name);
  }
}

// What is wrong with an event by OpenLineage 2-0-2, RunEvent.
std::vector<std::string> Mistakes(const Json& event) {
  static const std::regex time(R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)");
  static const std::regex uuid("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}");
  static const std::set<std::string> types = {"START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER"};
  std::vector<std::string> wrong;
  if (!types.contains(event["eventType"])) wrong.push_back("eventType");
  if (!std::regex_match(event["eventTime"].get<std::string>(), time)) wrong.push_back("eventTime");
  if (!IsUri(event["producer"])) wrong.push_back("producer");
  if (event["schemaURL"] != "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent") wrong.push_back("schemaURL");
  if (!std::regex_match(event["run"]["runId"].get<std::string>(), uuid)) wrong.push_back("runId");
  if (event["job"]["namespace"].get<std::string>().empty() || event["job"]["name"].get<std::string>().empty()) wrong.push_back("job");
  CheckFacets(event["run"], "facets", &wrong);
  CheckFacets(event["job"], "facets", &wrong);
  for (const char* side : {"inputs", "outputs"}) {
    for (const Json& dataset : event[side]) {
      if (dataset["namespace"].get<std::string>().empty() || dataset["name"].get<std::string>().empty()) wrong.push_back(side);
      for (const char* facets : {"facets", "inputFacets", "outputFacets"}) CheckFacets(dataset, facets, &wrong);
    }
  }
  return wrong;
}

class LineageExportTest : public ::testing::Test {
 protected:
  std::vector<Json> Events(TimeRange range = {}, const std::string& job_namespace = "") {
    std::vector<Json> events;
    const absl::Status status =
        ExportOpenLineage(*world_.docs.database, {.range = range, .job_namespace = job_namespace}, [&](std::string&& event) {
          EXPECT_EQ(event.find('\n'), std::string::npos);
          events.push_back(Json::parse(event));
          return absl::OkStatus();
        });
    EXPECT_TRUE(status.ok()) << status;
    return events;
  }
  Json Prov(const ProvRequest& request) {
    const auto json = ExportProv(*world_.docs.database, request);
    EXPECT_TRUE(json.ok()) << json.status();
    return Json::parse(*json);
  }

  VouchedStore world_;
};

TEST_F(LineageExportTest, EveryEventIsValidAndEveryRunHasItsTwo) {
  world_.TellTheStory();
  const std::vector<Json> events = Events();
  ASSERT_THAT(events, SizeIs(2 * (1 + 1 + 5))) << "a commit, an evaluation, five answers";
  std::map<std::string, std::vector<std::string>> runs;
  std::map<std::string, int> jobs;
  for (const Json& event : events) {
    EXPECT_THAT(Mistakes(event), IsEmpty()) << event.dump(2);
    runs[event["run"]["runId"]].push_back(event["eventType"]);
    ++jobs[event["job"]["name"]];
  }
  for (const auto& [id, types] : runs) EXPECT_THAT(types, ElementsAre("START", "COMPLETE")) << id;
  EXPECT_EQ(jobs["ingest.docs"], 2);
  EXPECT_EQ(jobs["eval.parts"], 2);
  EXPECT_EQ(jobs["rag.answer"], 10);
  EXPECT_EQ(Events(), events) << "the same again";
}

TEST_F(LineageExportTest, InputsAndOutputsHaveTheirVersions) {
  world_.TellTheStory();
  for (const Json& event : Events({}, "prod")) {
    EXPECT_EQ(event["job"]["namespace"], "prod");
    if (event["eventType"] != "COMPLETE") continue;
    if (event["job"]["name"] == "ingest.docs") {
      ASSERT_THAT(event["inputs"], SizeIs(2));
      EXPECT_EQ(event["inputs"][0]["name"], "guide.md");
      EXPECT_EQ(event["outputs"][0]["facets"]["version"]["datasetVersion"], "v:1");
      EXPECT_EQ(event["outputs"][0]["outputFacets"]["outputStatistics"]["rowCount"], 2);
    } else if (event["run"]["runId"] == world_.answers[0].id) {
      EXPECT_EQ(event["inputs"][0]["name"], "collection/docs");
      EXPECT_EQ(event["inputs"][0]["namespace"], "vouchdb://default");
      EXPECT_EQ(event["run"]["facets"]["vouchdb_answer"]["pipeline"], "support@1");
      EXPECT_EQ(event["run"]["facets"]["vouchdb_retrieval"]["citedDocuments"], Json::array({"guide.md"}));
    } else if (event["job"]["name"] == "eval.parts") {
      EXPECT_EQ(event["inputs"][1]["facets"]["version"]["datasetVersion"], "v:1");
      EXPECT_EQ(event["run"]["facets"]["vouchdb_evaluation"]["metrics"]["recall_10"], 1.0);
    }
  }
}

TEST(OpenLineage, AnEvaluationThatStoppedHasNoEndAndOneThatCameToNothingFailed) {
  EvaluationRecord record;
  record.id = "0192f000-0000-7000-8000-000000000001";
  record.dataset = "parts";
  record.dataset_version = 1;
  record.collection = "docs";
  record.created_us = 1'790'000'000'000'000;
  record.questions = 3;
  const OpenLineageNames names = OpenLineageNamesOf("default");
  EXPECT_THAT(OpenLineageOfEvaluation(record, "default", names), SizeIs(1));
  record.finished = true;
  record.finished_us = record.created_us + 5;
  record.errors = 3;
  const Json failed = Json::parse(OpenLineageOfEvaluation(record, "default", names).at(1));
  EXPECT_EQ(failed["eventType"], "FAIL");
  EXPECT_THAT(Mistakes(failed), IsEmpty());
  EXPECT_THAT(failed["run"]["facets"]["errorMessage"]["message"].get<std::string>(), HasSubstr("not one of 3 questions"));
}

// What is wrong with a PROV document: PROV-JSON's relations, with the kinds of what they name.
std::vector<std::string> ProvMistakes(const Json& document) {
  static const std::map<std::string, std::map<std::string, std::string>> relations = {
      {"used", {{"prov:activity", "activity"}, {"prov:entity", "entity"}}},
      {"wasGeneratedBy", {{"prov:entity", "entity"}, {"prov:activity", "activity"}}},
      {"wasDerivedFrom", {{"prov:generatedEntity", "entity"}, {"prov:usedEntity", "entity"}}},
      {"wasInformedBy", {{"prov:informed", "activity"}, {"prov:informant", "activity"}}},
      {"wasAssociatedWith", {{"prov:activity", "activity"}, {"prov:agent", "agent"}, {"prov:plan", "entity"}}},
      {"wasAttributedTo", {{"prov:entity", "entity"}, {"prov:agent", "agent"}}},
      {"actedOnBehalfOf", {{"prov:delegate", "agent"}, {"prov:responsible", "agent"}, {"prov:activity", "activity"}}},
      {"wasInvalidatedBy", {{"prov:entity", "entity"}, {"prov:activity", "activity"}}},
      {"specializationOf", {{"prov:specificEntity", "entity"}, {"prov:generalEntity", "entity"}}},
      {"hadMember", {{"prov:collection", "entity"}, {"prov:entity", "entity"}}}};
  std::vector<std::string> wrong;
  std::set<std::string> related;
  for (const auto& [section, content] : document.items()) {
    if (section == "prefix" || section == "entity" || section == "activity" || section == "agent") continue;
    const auto parts = relations.find(section);
    if (parts == relations.end()) {
      wrong.push_back("unknown section " + section);
      continue;
    }
    for (const auto& [id, relation] : content.items()) {
      if (!id.starts_with("_:")) wrong.push_back(id);
      for (const auto& [part, kind] : parts->second) {
        if (!relation.contains(part)) {
          if (part != "prov:plan" && !(section == "actedOnBehalfOf" && part == "prov:activity")) wrong.push_back(id + " lacks " + part);
          continue;
        }
        const std::string name = relation[part];
        related.insert(name);
        if (!document.contains(kind) || !document[kind].contains(name)) wrong.push_back(id + ": " + name + " is not declared");
      }
    }
  }
  static const std::regex name("vouch:[A-Za-z0-9._~/@%-]+");
  for (const char* kind : {"entity", "activity", "agent"}) {
    if (!document.contains(kind)) continue;
    for (const auto& [id, attributes] : document[kind].items()) {
      if (!std::regex_match(id, name)) wrong.push_back("no qualified name: " + id);
      if (!related.contains(id)) wrong.push_back("related to nothing: " + id);
    }
  }
  return wrong;
}

TEST_F(LineageExportTest, AnAnswersProvenanceLeadsToTheBytes) {
  world_.TellTheStory();
  const Answer& answer = world_.answers[0];
  const Json document = Prov({.answer = answer.id});
  EXPECT_THAT(ProvMistakes(document), IsEmpty()) << document.dump(2);
  const std::string made = "vouch:answer/" + answer.id;
  const std::string source = "vouch:source/docs/guide.md@" + answer.citations.at(0).source_hash;
  ASSERT_TRUE(document["entity"].contains(made));
  ASSERT_TRUE(document["entity"].contains(source));
  std::map<std::string, std::set<std::string>> from;
  for (const auto& [id, relation] : document["wasDerivedFrom"].items())
    from[relation["prov:generatedEntity"]].insert(relation["prov:usedEntity"]);
  ASSERT_THAT(from[made], SizeIs(1)) << "the chunk that it quotes";
  EXPECT_THAT(from[*from[made].begin()], Contains(source));
  EXPECT_EQ(document["activity"]["vouch:retrieval/" + answer.id]["prov:startTime"].get<std::string>().size(), 27u);
  EXPECT_TRUE(document["agent"].contains("vouch:subject/default/max"));
  EXPECT_TRUE(document["entity"].contains("vouch:pipeline/default/support@1"));
  EXPECT_FALSE(document.contains("wasInvalidatedBy"));
  EXPECT_TRUE(absl::IsNotFound(ExportProv(*world_.docs.database, {.answer = "nobody"}).status()));
}

TEST_F(LineageExportTest, ARangeHasItsEvaluationsAndWhatWasForgotten) {
  world_.TellTheStory();
  ASSERT_TRUE(Forget(*world_.docs.database, {.collection = "docs", .document = "sea.md", .reason = "asked"}).ok());
  const Json document = Prov({});
  EXPECT_THAT(ProvMistakes(document), IsEmpty()) << document.dump(2);
  EXPECT_TRUE(document["activity"].contains("vouch:evaluation/" + world_.evaluation.id));
  EXPECT_EQ(document["entity"]["vouch:evaluation-result/" + world_.evaluation.id]["vouch:recall_10"], 1.0);
  EXPECT_THAT(document["wasInvalidatedBy"], SizeIs(2)) << "the document and its bytes";
  EXPECT_THAT(document.dump(), Not(HasSubstr("quiet at night")));
}

// Forgotten, written again, and used again: what came back did not end.
TEST_F(LineageExportTest, ASourceThatCameBackHasNotEnded) {
  world_.TellTheStory();
  world_.Tick();
  ASSERT_TRUE(Forget(*world_.docs.database, {.collection = "docs", .document = "sea.md", .reason = "asked"}).ok());
  world_.docs.AddDocument("sea.md", MediaType::kMarkdown, "# Sea\n\nThe sea is quiet at night.\n");
  world_.Tick();
  world_.docs.Commit();
  const Answer again = world_.AskIt("When is the sea quiet?");
  ASSERT_FALSE(again.abstained);
  const Json document = Prov({});
  EXPECT_THAT(ProvMistakes(document), IsEmpty()) << document.dump(2);
  const std::string source = "vouch:source/docs/sea.md@" + again.citations.at(0).source_hash;
  EXPECT_TRUE(document["entity"].contains(source));
  if (document.contains("wasInvalidatedBy")) {
    for (const auto& [id, relation] : document["wasInvalidatedBy"].items()) {
      EXPECT_NE(relation["prov:entity"], source);
      EXPECT_NE(relation["prov:entity"], "vouch:document/docs/sea.md");
    }
  }
}

// The document's form is that of the library, which the program writes piece by piece.
TEST_F(LineageExportTest, ADocumentIsWrittenAsTheLibraryWritesIt) {
  world_.TellTheStory();
  const std::string text = ExportProv(*world_.docs.database, {}).value();
  EXPECT_EQ(nlohmann::ordered_json::parse(text).dump(1) + "\n", text);
  ProvDocument document;
  EXPECT_EQ(document.bytes(), 0u);
  document.Add(world_.answers[0]);
  EXPECT_GT(document.bytes(), 500u);
  EXPECT_LE(document.bytes(), document.ToJson().size());
  const size_t before = document.bytes();
  document.Add(world_.answers[0]);
  EXPECT_EQ(document.bytes(), before) << "what is there is not counted again";
}

}  // namespace
}  // namespace vouch
