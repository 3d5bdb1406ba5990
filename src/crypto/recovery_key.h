// A recovery key on paper: 256 bits as 52 Crockford base32 digits (most significant bit first, four
// zero bits at the end) and four more digits of checksum, in 14 groups of four. The alphabet has no
// I, L, O, U; reading takes I and L for 1 and O for 0, and ignores case, blanks and '-'.
#pragma once

#include "reelfs/crypto/keyring.h"

namespace reelfs::crypto {

RecoveryKey recovery_key_from(const SecretKey& secret);

/// kInvalid, with what is wrong in words, for anything that is not a recovery key as printed.
Result<SecretKey> parse_recovery_key(std::string_view text);

}  // namespace reelfs::crypto
