#include "app/mount_options.h"

#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/statvfs.h>

#include "app/http_options.h"
#include "app/remount.h"

namespace reelfs::app {
namespace {

MountWords parsed(const std::string& list) {
    auto words = parse_mount_words({list});
    EXPECT_TRUE(words.ok()) << list;
    return words ? *words : MountWords{};
}

TEST(MountOptions, DefaultsAreNosuidNodevExecReadWrite) {
    const MountWords words = parsed("");
    EXPECT_TRUE(words.nosuid);
    EXPECT_TRUE(words.nodev);
    EXPECT_FALSE(words.noexec);
    EXPECT_FALSE(words.read_only);
    EXPECT_FALSE(words.allow_other);
    EXPECT_TRUE(words.default_permissions);
}

TEST(MountOptions, LaterWordsWin) {
    EXPECT_FALSE(parsed("ro,rw").read_only);
    EXPECT_TRUE(parsed("rw,ro").read_only);
    EXPECT_TRUE(parsed("exec,noexec").noexec);
    auto words = parse_mount_words({"ro,suid", "rw,dev"});
    ASSERT_TRUE(words.ok());
    EXPECT_FALSE(words->read_only);
    EXPECT_FALSE(words->nosuid);
    EXPECT_FALSE(words->nodev);
}

TEST(MountOptions, OurValuesAreTaken) {
    const MountWords words = parsed(
        "container=live,http=127.0.0.1:8787,admin=[::1]:9,admin-token-file=/t,key-file=/a b/k\\,ey,"
        "acl,allow_other");
    EXPECT_EQ(words.container, "live");
    EXPECT_EQ(words.http, "127.0.0.1:8787");
    EXPECT_EQ(words.admin, "[::1]:9");
    EXPECT_EQ(words.admin_token_file, "/t");
    EXPECT_EQ(words.key_file, "/a b/k,ey");
    EXPECT_TRUE(words.acl);
    EXPECT_TRUE(words.allow_other);
}

TEST(MountOptions, WordsForTheHttpDoorAreChecked) {
    auto options = server_options_of(
        parsed("http=127.0.0.1:1,domain=Media.Example,account=111122223333,region=us-gov-east-1,"
               "trusted-proxy=10.0.0.0/8\\,::1,access-log=/var/log/a"));
    ASSERT_TRUE(options.ok()) << options.error().message();
    EXPECT_EQ(options->http->port, 1);
    EXPECT_EQ(options->domain, "media.example");
    EXPECT_EQ(options->account, "111122223333");
    EXPECT_EQ(options->trusted_proxies.size(), 2u);
    EXPECT_EQ(options->access_log, "/var/log/a");
    EXPECT_TRUE(server_options_of(MountWords{}).ok());
    for (const char* bad :
         {"account=1", "account=11112222333x", "region=moon", "region=us-west", "region=-west-2",
          "region=us--2", "region=us-west-22", "region=US-west-2", "domain=a..b",
          "trusted-proxy=10.0.0.1/8", "http=nowhere", "admin-token-file=/t"})
        EXPECT_EQ(server_options_of(parsed(bad)).error().code(), Errc::kInvalid) << bad;
}

TEST(MountOptions, WordsOfMountAndSystemdAreIgnored) {
    EXPECT_EQ(
        parsed("defaults,noauto,nofail,_netdev,user=ann,users,x-systemd.automount,X-mount.mkdir,"
               "relatime,comment=here"),
        MountWords{});
}

TEST(MountOptions, KernelWordsArePassedOn) {
    EXPECT_EQ(parsed("noatime,sync").other, (std::vector<std::string>{"noatime", "sync"}));
}

TEST(MountOptions, AnUnknownWordIsRefusedByName) {
    auto words = parse_mount_words({"ro,writeback_cash"});
    ASSERT_FALSE(words.ok());
    EXPECT_EQ(words.error().code(), Errc::kInvalid);
    EXPECT_NE(words.error().message().find("writeback_cash"), std::string::npos);
    EXPECT_TRUE(parse_mount_words({"writeback_cash"}, UnknownWords::kIgnore).ok());
}

TEST(MountOptions, AValueThatIsMissingOrNoContainerNameIsRefused) {
    EXPECT_FALSE(parse_mount_words({"container"}).ok());
    EXPECT_FALSE(parse_mount_words({"container="}).ok());
    EXPECT_FALSE(parse_mount_words({"container=a b"}).ok());
    EXPECT_FALSE(parse_mount_words({"http="}).ok());
    EXPECT_FALSE(parse_mount_words({"ro=1"}).ok());
}

TEST(MountOptions, ARemountChangesOnlyWhatItNames) {
    EXPECT_TRUE(wants_remount({"ro,remount"}));
    EXPECT_TRUE(wants_remount({"ro", "container=a,remount"}));
    EXPECT_FALSE(wants_remount({"ro,container=remount"}));
    EXPECT_FALSE(wants_remount({}));
    EXPECT_EQ(remount_flags(0, {"remount"}), static_cast<unsigned long>(MS_REMOUNT));
    EXPECT_EQ(remount_flags(0, {"remount,ro"}), static_cast<unsigned long>(MS_REMOUNT | MS_RDONLY));
    EXPECT_EQ(remount_flags(ST_NOSUID | ST_NODEV | ST_RELATIME | ST_RDONLY, {"remount,rw,suid"}),
              static_cast<unsigned long>(MS_REMOUNT | MS_NODEV | MS_RELATIME));
    EXPECT_EQ(remount_flags(ST_NOEXEC, {"ro,user_id=0,allow_other", "noatime,remount,exec,rw"}),
              static_cast<unsigned long>(MS_REMOUNT | MS_NOATIME));
}

}  // namespace
}  // namespace reelfs::app
