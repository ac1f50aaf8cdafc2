// The canonical form of a pipeline, and the texts of its prompt.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "rag/pipeline.h"
#include "rag/prompt_template.h"

std::vector<std::string> FuzzSeeds() {
  vouch::PipelineSpec spec;
  spec.name = "support";
  spec.collection = "docs";
  spec.prompt = {.system = "{{product}}",
                 .user = "{{sources}} {{ question }}",
                 .variables = {{"product", "{{sources}}"}}};
  spec.retrieve.query = "{\"all\":{}}";
  return {vouch::PipelineToJson(spec), vouch::PipelineToJson({}), "{{a}} {{", "{{ }}{{question}}"};
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto spec = vouch::PipelineFromJson(text); spec.ok()) {
    const std::string json = vouch::PipelineToJson(*spec);
    const auto again = vouch::PipelineFromJson(json);
    if (!again.ok() || vouch::PipelineToJson(*again) != json) std::abort();
    (void)vouch::CheckPipeline(*spec);
  }
  const vouch::PromptStep step{.user = std::string(text), .variables = {{"a", "b"}}};
  (void)vouch::CheckPromptTemplate(step);
  (void)vouch::FillTemplate(text, step.variables);
  return 0;
}
