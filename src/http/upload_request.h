// PUT of an object, the parts that may block. The connection reads the body (connection_upload.h);
// each function here is one job on a pool, in this order:
//
//     admit -> append ... -> settle -> (its turn) -> publish -> drop
//
// Whenever `failure` is set, what is left is to answer it and to drop(). One thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "http/body_hash.h"
#include "http/data_access.h"
#include "http/dialect.h"
#include "http/request_gate.h"
#include "http/response.h"
#include "http/route.h"
#include "http/server_state.h"
#include "reelfs/core/upload.h"

namespace reelfs::http {

struct UploadRequest {
    // Asked for
    Route route;
    std::uint64_t ticket = 0;

    // Found
    std::unique_ptr<core::Upload> upload;
    std::optional<Response> failure;
    Response response;
    std::uint64_t bytes_max = 0;
    std::int64_t ms_max = 0;  // for the whole of it; 0: no bound

    /// Who asks, what for, and the place for its bytes.
    void admit(ServerState& state, const Asker& asker);
    void append(Bytes bytes);
    /// The body is whole: it is what was promised, and on the disk.
    void settle();
    void publish();
    /// Lets go of the upload; what was not published is gone then.
    void drop() { upload.reset(); }

    static Response too_large();

  private:
    Result<core::UploadOptions> options_of(const RequestHead& head);
    void fail(const Error& error);

    BodyHash hash_;
    std::optional<Sha256> wanted_hash_;
    PayloadRule signed_body_;
    Sha256 found_hash_{};
    Dialect dialect_ = Dialect::kRfc9110;
};

}  // namespace reelfs::http
