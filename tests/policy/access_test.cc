#include "reelfs/policy/access.h"

#include <gtest/gtest.h>

namespace reelfs::policy {
namespace {

constexpr ContainerId kHere{3};

AccessRequest request(Action action) {
    AccessRequest asked;
    asked.action = action;
    return asked;
}

AccessRequest with_token(Action action, Components prefix, ActionSet actions) {
    AccessRequest asked = request(action);
    asked.principal.name = "token";
    asked.principal.grant = Grant{kHere, std::move(prefix), actions};
    return asked;
}

ActionSet putting() {
    ActionSet actions;
    actions.add(Action::kPutObject);
    return actions;
}

TEST(Access, NobodyReadsByPermissionBitsAndDoesNothingElse) {
    EXPECT_EQ(decide(request(Action::kGetObject), kHere, {"a"}), Decision::kByPermissionBits);
    EXPECT_EQ(decide(request(Action::kDescribeObject), kHere, {"a"}), Decision::kByPermissionBits);
    for (Action action : {Action::kPutObject, Action::kDeleteObject, Action::kListItems})
        EXPECT_EQ(decide(request(action), kHere, {"a"}), Decision::kDenied);
}

TEST(Access, AUserMayDoEverything) {
    AccessRequest asked = request(Action::kDeleteObject);
    asked.principal.name = "ann";
    EXPECT_EQ(decide(asked, kHere, {"a", "b"}), Decision::kAllowed);
    EXPECT_EQ(decide(asked, ContainerId(9), {}), Decision::kAllowed);
}

TEST(Access, ATokenDoesExactlyWhatItSays) {
    const auto put = with_token(Action::kPutObject, {"live"}, putting());
    EXPECT_EQ(decide(put, kHere, {"live", "a.ts"}), Decision::kAllowed);
    EXPECT_EQ(decide(put, kHere, {"live", "deep", "a.ts"}), Decision::kAllowed);
    EXPECT_EQ(decide(put, kHere, {"live"}), Decision::kAllowed);
    EXPECT_EQ(decide(put, kHere, {"live2", "a.ts"}), Decision::kDenied);
    EXPECT_EQ(decide(put, kHere, {"other", "live"}), Decision::kDenied);
    EXPECT_EQ(decide(put, kHere, {}), Decision::kDenied);
    EXPECT_EQ(decide(put, ContainerId(4), {"live", "a.ts"}), Decision::kDenied);
    for (Action action :
         {Action::kGetObject, Action::kDescribeObject, Action::kDeleteObject, Action::kListItems})
        EXPECT_EQ(decide(with_token(action, {"live"}, putting()), kHere, {"live", "a.ts"}),
                  Decision::kDenied);
}

TEST(Access, ATokenWithoutPrefixCoversItsContainer) {
    const auto put = with_token(Action::kPutObject, {}, putting());
    EXPECT_EQ(decide(put, kHere, {"a"}), Decision::kAllowed);
    EXPECT_EQ(decide(put, ContainerId(4), {"a"}), Decision::kDenied);
}

}  // namespace
}  // namespace reelfs::policy
