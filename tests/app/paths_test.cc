#include "app/paths.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

namespace reelfs::app {
namespace {

StoreId some_store() {
    StoreId id;
    id.bytes.fill(std::byte{0xab});
    return id;
}
const std::string kHex = "abababababababababababababababab";

class TemporaryDirectory {
  public:
    TemporaryDirectory() {
        std::string name = std::filesystem::temp_directory_path() / "reelfs-app-XXXXXX";
        path_ = std::filesystem::canonical(::mkdtemp(name.data()));
    }
    ~TemporaryDirectory() { std::filesystem::remove_all(path_); }
    std::string operator/(const std::string& name) const { return path_ + "/" + name; }

  private:
    std::string path_;
};

TEST(Paths, AUserHasDefaultsInTheHomeDirectory) {
    const Person ann{
        .uid = 1000, .home = "/home/ann", .config_home = "", .state_home = "", .runtime_dir = ""};
    EXPECT_EQ(default_key_file(ann, some_store()), "/home/ann/.config/reelfs/" + kHex + ".key");
    EXPECT_EQ(default_log_file(ann, some_store()),
              "/home/ann/.local/state/reelfs/" + kHex + ".log");
    EXPECT_EQ(runtime_directory(ann), std::nullopt);
}

TEST(Paths, TheEnvironmentMovesThemUnlessItIsRelative) {
    const Person ann{.uid = 1000,
                     .home = "/home/ann",
                     .config_home = "/c",
                     .state_home = "rel",
                     .runtime_dir = "/run/user/1000"};
    EXPECT_EQ(key_directory(ann), "/c/reelfs");
    EXPECT_EQ(default_log_file(ann, some_store()),
              "/home/ann/.local/state/reelfs/" + kHex + ".log");
    EXPECT_EQ(runtime_directory(ann), "/run/user/1000/reelfs");
}

TEST(Paths, RootHasSystemPlacesWhateverTheEnvironmentSays) {
    const Person root{
        .uid = 0, .home = "/root", .config_home = "/c", .state_home = "/s", .runtime_dir = "/r"};
    EXPECT_EQ(default_key_file(root, some_store()), "/etc/reelfs/keys/" + kHex + ".key");
    EXPECT_EQ(default_log_file(root, some_store()), "/var/log/reelfs/" + kHex + ".log");
    EXPECT_EQ(runtime_directory(root), "/run/reelfs");
}

TEST(Paths, InsideMeansWholeComponents) {
    EXPECT_TRUE(is_inside("/a/b", "/a/b"));
    EXPECT_TRUE(is_inside("/a/b/c", "/a/b"));
    EXPECT_FALSE(is_inside("/a/bc", "/a/b"));
    EXPECT_FALSE(is_inside("/a", "/a/b"));
    EXPECT_TRUE(is_inside("/a", "/"));
}

TEST(Paths, AKeyInsideTheStoreIsRefused) {
    TemporaryDirectory place;
    std::filesystem::create_directory(place / "store");
    EXPECT_FALSE(check_key_place(place / "store/key", {place / "store"}).ok());
    EXPECT_FALSE(check_key_place(place / "x/../store/deep/key", {place / "store"}).ok());
    EXPECT_TRUE(check_key_place(place / "store.key", {place / "store"}).ok());
    EXPECT_TRUE(check_key_place(place / "key", {place / "store", ""}).ok());
}

TEST(Paths, ALinkDoesNotHideThatAKeyIsInsideTheStore) {
    TemporaryDirectory place;
    std::filesystem::create_directory(place / "store");
    std::filesystem::create_directory_symlink(place / "store", place / "elsewhere");
    EXPECT_FALSE(check_key_place(place / "elsewhere/key", {place / "store"}).ok());
    EXPECT_FALSE(check_key_place(place / "store/key", {place / "elsewhere"}).ok());
}

TEST(Paths, PrivateDirectoriesAreMadeWithTheirParents) {
    TemporaryDirectory place;
    ASSERT_TRUE(make_private_directories(place / "a/b/c").ok());
    ASSERT_TRUE(make_private_directories(place / "a/b/c").ok());
    struct stat status {};
    ASSERT_EQ(::stat((place / "a/b").c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777, 0700u);
    std::filesystem::copy_file("/proc/self/comm", place / "file");
    EXPECT_FALSE(make_private_directories(place / "file/under").ok());
}

TEST(Paths, LexicalPathsAreAbsoluteWithoutATrailingSlash) {
    EXPECT_EQ(lexical_path("/a/./b/../c/"), "/a/c");
    EXPECT_EQ(lexical_path("/"), "/");
    EXPECT_TRUE(lexical_path("x").starts_with("/"));
}

}  // namespace
}  // namespace reelfs::app
