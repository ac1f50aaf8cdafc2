#include "api/cli/app.h"

int main(int argc, char** argv) { return vouch::RunProgram(argc, argv); }
