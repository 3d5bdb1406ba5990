// Where the certificate for --https comes from.
#pragma once

#include "app/mount_options.h"
#include "app/paths.h"
#include "reelfs/base/result.h"

namespace reelfs::app {

/// Checks and completes what `words` say about TLS: absolute paths for both files; with
/// tls-self-signed both are made where neither exists (in the folder of keys, ID.tls.pem and
/// ID.tls.key, unless named). kInvalid says what to give. Nothing without https.
Result<void> settle_tls(MountWords& words, const Person& person, const StoreId& store);

}  // namespace reelfs::app
