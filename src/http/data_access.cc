#include "http/data_access.h"

#include "reelfs/http/authenticator.h"

namespace reelfs::http {

namespace {

Response refused(int status, std::string_view message, DataAction action) {
    Response response = error_response(status, message);
    // Encoders that were given a name and a password offer them only when they are asked.
    if (status == 401 && action != DataAction::kListItems)
        response.add("WWW-Authenticate", "Basic realm=\"reelfs\", charset=\"UTF-8\"");
    return response;
}

}  // namespace

std::optional<Response> refuse_access(ServerState& state, const RequestHead& head,
                                      DataAction action) {
    Principal principal;
    if (state.options.authenticator != nullptr) {
        auto found = state.options.authenticator->authenticate(head);
        if (!found) {
            const bool malformed = found.error().code() == Errc::kInvalid;
            return refused(malformed ? 400 : 403, found.error().message(), action);
        }
        principal = *std::move(found);
    }
    if (!principal.is_anonymous()) return std::nullopt;
    if (action == DataAction::kListItems)
        return refused(403, "listing a container needs a policy that allows it", action);
    return refused(401, "writing needs credentials", action);
}

}  // namespace reelfs::http
