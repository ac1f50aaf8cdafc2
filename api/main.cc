#include "api/cli/app.h"
#include "rag/parse/parser_child.h"

int main(int argc, char** argv) {
  if (const auto exit_code = vouch::RunParserChild(argc, argv)) return *exit_code;
  return vouch::RunProgram(argc, argv);
}
