// Users and tokens: found while they hold, gone at once when they do not, and what the disk shows.
#include "reelfs/core/accounts.h"

#include "core/test_store.h"

namespace reelfs::core {
namespace {

using test::must;

class AccountsTest : public ::testing::Test {
  protected:
    Accounts& accounts() { return rig_.volume().accounts(); }
    bool knows(const std::string& id, std::string_view secret) {
        const auto holder = accounts().find_key(id);
        return holder && holder->secret.view() == secret;
    }
    Grant grant(Action action, Components prefix = {}) {
        Grant made{ContainerId(1), std::move(prefix), {}};
        made.actions.add(action);
        return made;
    }

    test::SeededRandom random_;
    test::StoreRig rig_{random_};
};

TEST_F(AccountsTest, AKeyLeadsToItsUserAlsoAfterARestart) {
    const IssuedKey ann = must(accounts().create_user("ann"));
    const IssuedKey bob = must(accounts().create_user("bob"));
    EXPECT_EQ(ann.user.access_key_id.size(), 20u);
    EXPECT_EQ(ann.secret.view().size(), 40u);
    EXPECT_NE(ann.secret.view(), bob.secret.view());
    for (int round = 0; round < 2; ++round) {
        ASSERT_TRUE(knows(ann.user.access_key_id, ann.secret.view()));
        EXPECT_EQ(accounts().find_key(ann.user.access_key_id)->user, "ann");
        EXPECT_FALSE(accounts().find_key("nobody"));
        EXPECT_EQ(accounts().users().size(), 2u);
        rig_.reopen();
    }
}

TEST_F(AccountsTest, ANewUserSurvivesAPowerCutOnceHisSecretWasShown) {
    const IssuedKey ann = must(accounts().create_user("ann"));
    rig_.crash(test::Crash::kSynced);
    EXPECT_TRUE(knows(ann.user.access_key_id, ann.secret.view()));
}

TEST_F(AccountsTest, ADisabledUserIsUnknownUntilEnabled) {
    const IssuedKey ann = must(accounts().create_user("ann"));
    EXPECT_TRUE(must(accounts().set_disabled("ann", true)).disabled);
    EXPECT_FALSE(accounts().find_key(ann.user.access_key_id));
    rig_.reopen();
    EXPECT_FALSE(accounts().find_key(ann.user.access_key_id));
    EXPECT_FALSE(must(accounts().set_disabled("ann", false)).disabled);
    EXPECT_TRUE(knows(ann.user.access_key_id, ann.secret.view()));
}

TEST_F(AccountsTest, RotatingEndsTheOldKey) {
    const IssuedKey before = must(accounts().create_user("ann"));
    const IssuedKey after = must(accounts().rotate_key("ann"));
    EXPECT_NE(before.user.access_key_id, after.user.access_key_id);
    EXPECT_FALSE(accounts().find_key(before.user.access_key_id));
    EXPECT_TRUE(knows(after.user.access_key_id, after.secret.view()));
}

TEST_F(AccountsTest, ADeletedUserIsGone) {
    const IssuedKey ann = must(accounts().create_user("ann"));
    must(accounts().delete_user("ann"));
    EXPECT_FALSE(accounts().find_key(ann.user.access_key_id));
    EXPECT_EQ(accounts().delete_user("ann").error().code(), Errc::kNotFound);
    EXPECT_EQ(accounts().rotate_key("ann").error().code(), Errc::kNotFound);
    EXPECT_EQ(accounts().set_disabled("ann", true).error().code(), Errc::kNotFound);
    must(accounts().create_user("ann"));
}

TEST_F(AccountsTest, NamesAreCheckedAndTakenOnce) {
    for (const std::string& name : {std::string(), std::string("a b"), std::string("a:b"),
                                    std::string("\xc3\xa4"), std::string(65, 'a')})
        EXPECT_EQ(accounts().create_user(name).error().code(), Errc::kInvalid) << name;
    must(accounts().create_user("ann@example.com"));
    EXPECT_EQ(accounts().create_user("ann@example.com").error().code(), Errc::kExists);
}

TEST_F(AccountsTest, ATokenHoldsUntilItEndsOrIsRevoked) {
    const IssuedToken brief =
        must(accounts().create_token(grant(Action::kPutObject, {"live", "a"}), 60));
    const IssuedToken lasting = must(accounts().create_token(grant(Action::kGetObject), 0));
    rig_.reopen();
    const auto found = accounts().find_token(brief.text.view());
    ASSERT_TRUE(found);
    EXPECT_EQ(found->grant, grant(Action::kPutObject, {"live", "a"}));
    EXPECT_EQ(found->id, brief.token.id);
    EXPECT_FALSE(accounts().find_token("rft_" + brief.token.id + "_x"));
    EXPECT_FALSE(accounts().find_token(""));

    rig_.clock().advance_ms(60'000);
    EXPECT_FALSE(accounts().find_token(brief.text.view()));
    EXPECT_EQ(accounts().tokens().size(), 2u);
    EXPECT_TRUE(accounts().find_token(lasting.text.view()));
    must(accounts().revoke_token(lasting.token.id));
    EXPECT_FALSE(accounts().find_token(lasting.text.view()));
    EXPECT_EQ(accounts().revoke_token(lasting.token.id).error().code(), Errc::kNotFound);
}

TEST_F(AccountsTest, ATokenThatCouldDoNothingIsNotMade) {
    EXPECT_EQ(accounts().create_token({ContainerId(1), {}, {}}, 0).error().code(), Errc::kInvalid);
    EXPECT_EQ(accounts().create_token(grant(Action::kPutObject, {"a/b"}), 0).error().code(),
              Errc::kInvalid);
}

}  // namespace
}  // namespace reelfs::core
