// Who sends a request. The door asks once for each request on data, before anything is looked up
// and before a byte of the body is read; what the principal may do is decided afterwards.
//
// Threads: called by several at once, on threads that may block.
#pragma once

#include "reelfs/base/result.h"
#include "reelfs/model/principal.h"

namespace reelfs::http {

struct RequestHead;  // http/request_gate.h

class Authenticator {
  public:
    virtual ~Authenticator() = default;
    /// From the head alone. A request that offers no proof is the anonymous principal's, which is
    /// no error; kInvalid when the proof offered is malformed, kAccessDenied when it is wrong.
    virtual Result<Principal> authenticate(const RequestHead& head) = 0;
};

}  // namespace reelfs::http
