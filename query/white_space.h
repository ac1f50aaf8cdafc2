#pragma once

namespace vouch {

// What JSON, filters, formulas and queries take for white space.
inline bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

}  // namespace vouch
