// Uploads over a simulated disk: what they leave when they end, when they are given up and when the
// machine does; what readers see meanwhile; who may publish before whom.
#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "core/test_store.h"
#include "core/upload_order.h"
#include "reelfs/model/limits.h"

namespace reelfs::core {
namespace {

using limits::MiB;
using test::Crash;
using test::kHere;
using test::must;
using test::SeededRandom;
using test::StoreRig;

class UploadTest : public ::testing::Test {
  protected:
    UploadTest() : rig_(random_) { rig_.container(); }
    Tree& tree() { return rig_.tree(); }

    std::unique_ptr<Upload> begin(const Components& path, bool streaming = false,
                                  std::uint64_t ticket = 0) {
        UploadOptions options;
        options.ticket = ticket != 0 ? ticket : tree().draw_ticket();
        options.streaming = streaming;
        options.mime_type = "video/mp2t";
        return must(tree().begin_upload("c", path, options));
    }
    std::vector<std::byte> hash_ = std::vector<std::byte>(32, std::byte{0xab});
    Result<Uploaded> finish(Upload& upload) {
        upload.complete();
        RF_CHECK(upload.make_durable());
        return upload.publish(hash_);
    }
    void put(const Components& path, Bytes bytes) {
        auto upload = begin(path);
        must(upload->append(bytes));
        must(finish(*upload));
    }
    static Result<std::vector<std::byte>> read(ObjectReader& reader) {
        Pins pins;
        RF_CHECK(reader.read(0, reader.state().size, pins));
        std::vector<std::byte> bytes;
        for (const PinnedBytes& pin : pins)
            bytes.insert(bytes.end(), pin.bytes.begin(), pin.bytes.end());
        return bytes;
    }
    Result<std::vector<std::byte>> get(const Components& path) {
        RF_TRY(auto reader, tree().open_object(kHere, "c", path));
        return read(*reader);
    }
    bool has(const Components& path) { return tree().resolve(rig_.container(), path).ok(); }
    std::string listing(const Components& folder = {}) {
        std::string names;
        for (const Item& item : must(tree().list_items("c", folder, "", 1000)).items)
            names += item.name + (item.folder ? "/ " : " ");
        return names;
    }
    std::string names_in(NodeId folder) {
        std::string names;
        auto directory = must(tree().open_directory(folder));
        for (bool with_attributes : {false, true}) {
            std::string seen;
            must(tree().list(*directory, 0, with_attributes, [&](const Tree::Listed& listed) {
                if (!listed.name.starts_with('.')) seen += std::string(listed.name) + " ";
                return true;
            }));
            if (with_attributes) {
                EXPECT_EQ(seen, names);
            }
            names = seen;
        }
        return names;
    }
    std::uint64_t nodes() { return must(tree().space()).nodes; }

    SeededRandom random_;
    StoreRig rig_;
};

TEST_F(UploadTest, AnUploadIsSeenWholeAndOnlyWhenItIsPublished) {
    for (std::size_t size :
         {std::size_t{0}, std::size_t{1}, std::size_t{5'000}, 300'000ul, 20 * MiB}) {
        const auto bytes = rig_.noise(size);
        auto upload = begin({"a", "b", "o"});
        for (std::size_t at = 0; at < size; at += 256 * 1024)
            must(upload->append(
                Bytes(bytes).subspan(at, std::min<std::size_t>(256 * 1024, size - at))));
        EXPECT_EQ(has({"a", "b", "o"}), size > 0) << "the one before";
        const auto done = must(finish(*upload));
        EXPECT_EQ(done.size, size);
        upload.reset();
        EXPECT_EQ(must(get({"a", "b", "o"})), bytes);
        auto reader = must(tree().open_object(kHere, "c", {"a", "b", "o"}));
        EXPECT_EQ(reader->etag(), done.etag);
        EXPECT_EQ(reader->mime_type(), "video/mp2t");
    }
    EXPECT_EQ(nodes(), 5u);  // the root, the container, two folders, the object
    const auto attributes = must(tree().resolve(rig_.container(), {"a", "b", "o"}));
    EXPECT_EQ(attributes.mode, 0644u);
    EXPECT_EQ(attributes.links, 1u);
    EXPECT_EQ(must(tree().resolve(rig_.container(), {"a"})).mode, 0755u);
}

TEST_F(UploadTest, APublishedUploadSurvivesEveryPowerCutWithItsHeadersAndFolders) {
    for (Crash choice : test::kEveryCrash) {
        StoreRig rig(random_);
        rig.container();
        const auto bytes = rig.noise(400'000);
        UploadOptions options;
        options.ticket = rig.tree().draw_ticket();
        options.mime_type = "audio/aac";
        options.cache_control = "max-age=6, public";
        auto upload = must(rig.tree().begin_upload("c", {"x", "y"}, options));
        must(upload->append(bytes));
        must(upload->make_durable());
        const auto done = must(upload->publish(hash_));
        upload.reset();
        rig.crash(choice);
        auto reader = must(rig.tree().open_object(kHere, "c", {"x", "y"}));
        EXPECT_EQ(reader->etag(), done.etag);
        EXPECT_EQ(reader->mime_type(), "audio/aac");
        EXPECT_EQ(reader->cache_control(), "max-age=6, public");
        const NodeId node = reader->attributes().node;
        EXPECT_EQ(rig.content(node), bytes);
        EXPECT_EQ(text_of(must(rig.tree().get_xattr(node, "user.reelfs.sha256"))), to_hex(hash_));
        EXPECT_EQ(must(rig.tree().list_xattrs(node)).size(), 2u);
    }
}

TEST_F(UploadTest, AnUploadGivenUpLeavesNothing) {
    const auto before = nodes();
    for (bool streaming : {false, true}) {
        auto upload = begin({"f", "g", "o"}, streaming);
        must(upload->append(rig_.noise(12 * MiB)));
        upload.reset();
        EXPECT_FALSE(has({"f"})) << streaming;
        EXPECT_EQ(nodes(), before) << streaming;
    }
    rig_.reopen();
    EXPECT_EQ(nodes(), before);
}

TEST_F(UploadTest, APowerCutDuringAnUploadLeavesTheVersionBefore) {
    for (Crash choice : test::kEveryCrash) {
        for (bool streaming : {false, true}) {
            StoreRig rig(random_);
            rig.container();
            const auto old_bytes = rig.noise(50'000);
            {
                UploadOptions options;
                options.ticket = rig.tree().draw_ticket();
                auto first = must(rig.tree().begin_upload("c", {"p", "o"}, options));
                must(first->append(old_bytes));
                must(first->make_durable());
                must(first->publish(hash_));
            }
            UploadOptions options;
            options.ticket = rig.tree().draw_ticket();
            options.streaming = streaming;
            auto upload = must(rig.tree().begin_upload("c", {"p", "o"}, options));
            auto fresh = must(rig.tree().begin_upload("c", {"q", "r", "o"}, options));
            must(upload->append(rig.noise(9 * MiB)));
            must(fresh->append(rig.noise(1000)));
            must(upload->make_durable());
            must(rig.tree().sync());
            auto after = rig.disk().crash(choice, random_);
            upload.reset();
            fresh.reset();
            rig.replace_disk(std::move(after));
            const NodeId c = must(rig.tree().lookup(kRootNode, "c")).node;
            const NodeId node = must(rig.tree().resolve(c, {"p", "o"})).node;
            EXPECT_EQ(rig.content(node), old_bytes);
            EXPECT_FALSE(rig.tree().lookup(c, "q").ok()) << "a folder made for it";
            EXPECT_EQ(must(rig.tree().space()).nodes, 4u);
        }
    }
}

TEST_F(UploadTest, AStreamingUploadIsReadThroughEveryDoorAsItGrows) {
    put({"s", "o"}, rig_.noise(10));
    const NodeId folder = must(tree().resolve(rig_.container(), {"s"})).node;
    const NodeId before = must(tree().lookup(folder, "o")).node;
    auto upload = begin({"s", "o"}, true);
    EXPECT_EQ(must(tree().lookup(folder, "o")).node, before) << "not a byte yet";
    const auto bytes = rig_.noise(700'000);
    must(upload->append(Bytes(bytes).first(300'000)));

    const Attributes growing = must(tree().lookup(folder, "o"));
    EXPECT_NE(growing.node, before);
    EXPECT_TRUE(growing.grows_elsewhere);
    EXPECT_EQ(growing.size, 300'000u);
    EXPECT_EQ(growing.links, 1u);
    EXPECT_EQ(names_in(folder), "o ");
    auto file = must(tree().open(growing.node, {.read = true}));
    EXPECT_TRUE(tree().grows_elsewhere(*file));
    auto reader = must(tree().open_object(kHere, "c", {"s", "o"}));
    EXPECT_TRUE(reader->state().growing);
    EXPECT_TRUE(reader->etag().none());
    EXPECT_EQ(reader->mime_type(), "video/mp2t");
    EXPECT_EQ(must(tree().list_items("c", {"s"}, "", 10)).items.at(0).size, 10u) << "the old one";

    must(upload->append(Bytes(bytes).subspan(300'000)));
    EXPECT_EQ(reader->state().size, 700'000u);
    must(finish(*upload));
    EXPECT_FALSE(reader->state().growing);
    EXPECT_FALSE(reader->state().cut);
    EXPECT_FALSE(tree().grows_elsewhere(*file));
    std::vector<std::byte> read(700'000);
    EXPECT_EQ(must(tree().read(*file, 0, read)), read.size());
    EXPECT_EQ(read, bytes);
    tree().release(file);
    upload.reset();
    EXPECT_EQ(must(tree().lookup(folder, "o")).node, growing.node);
    EXPECT_FALSE(must(tree().lookup(folder, "o")).grows_elsewhere);
}

TEST_F(UploadTest, AStreamingUploadGivenUpCutsItsReadersAndBringsTheOldVersionBack) {
    const auto old_bytes = rig_.noise(1234);
    put({"s", "o"}, old_bytes);
    auto upload = begin({"s", "o"}, true);
    must(upload->append(rig_.noise(5000)));
    auto reader = must(tree().open_object(kHere, "c", {"s", "o"}));
    int woken = 0;
    auto token = reader->wait_beyond(5000, [&] { ++woken; });
    upload.reset();
    EXPECT_EQ(woken, 1);
    EXPECT_TRUE(reader->state().cut);
    EXPECT_EQ(must(get({"s", "o"})), old_bytes);
    token.reset();
    reader.reset();
    rig_.reopen();  // what the last reader leaves is removed in the background, or here
    EXPECT_EQ(nodes(), 4u);
}

TEST_F(UploadTest, ANameShownByAnUploadIsTakenForEverybodyElse) {
    auto upload = begin({"s", "o"}, true);
    must(upload->append(rig_.noise(100)));
    const NodeId c = rig_.container();
    const NodeId folder = must(tree().lookup(c, "s")).node;
    const NodeId node = must(tree().lookup(folder, "o")).node;
    EXPECT_EQ(tree().create({}, folder, "o", 0644, {.write = true}).error().code(), Errc::kExists);
    EXPECT_EQ(tree().open(node, {.write = true}).error().code(), Errc::kBusy);
    EXPECT_EQ(tree().rename(folder, "o", folder, "p", RenameMode::kReplace).error().code(),
              Errc::kBusy);
    EXPECT_EQ(tree().remove_directory(c, "s").error().code(), Errc::kNotEmpty);
    must(tree().unlink(folder, "o"));
    EXPECT_EQ(tree().lookup(folder, "o").error().code(), Errc::kNotFound);
    must(finish(*upload));  // it goes on unseen and comes back
    EXPECT_EQ(must(tree().lookup(folder, "o")).node, node);
    upload.reset();
}

TEST_F(UploadTest, FoldersMadeByUploadsVanishWithTheirLastObject) {
    put({"p", "q", "x"}, rig_.noise(5));
    put({"p", "y"}, rig_.noise(5));
    must(tree().delete_object("c", {"p", "q", "x"}));
    EXPECT_EQ(listing({"p"}), "y ");
    must(tree().delete_object("c", {"p", "y"}));
    EXPECT_FALSE(has({"p"}));
    EXPECT_EQ(tree().delete_object("c", {"p", "y"}).error().code(), Errc::kNotFound);

    put({"p", "q", "x"}, rig_.noise(5));
    const NodeId p = must(tree().resolve(rig_.container(), {"p"})).node;
    rig_.put(p, "by-hand", rig_.noise(5));
    must(tree().unlink(p, "by-hand"));
    must(tree().delete_object("c", {"p", "q", "x"}));
    EXPECT_TRUE(has({"p"})) << "somebody worked there through the mount";
    EXPECT_FALSE(has({"p", "q"}));
    EXPECT_EQ(tree().delete_object("c", {"p"}).error().code(), Errc::kNotFound) << "a folder";
    EXPECT_EQ(listing(), "") << "empty folders are not told";
}

TEST_F(UploadTest, ADeleteSurvivesEveryPowerCut) {
    for (Crash choice : test::kEveryCrash) {
        StoreRig rig(random_);
        rig.container();
        UploadOptions options;
        options.ticket = rig.tree().draw_ticket();
        {
            auto upload = must(rig.tree().begin_upload("c", {"d", "o"}, options));
            must(upload->make_durable());
            must(upload->publish(hash_));
        }
        must(rig.tree().delete_object("c", {"d", "o"}));
        rig.crash(choice);
        EXPECT_FALSE(rig.tree().lookup(rig.container(), "d").ok());
    }
}

TEST_F(UploadTest, WhatStandsInTheWayIsToldBeforeAndAtTheEnd) {
    const NodeId c = rig_.container();
    must(tree().make_directory({}, c, "dir", 0755));
    rig_.put(c, "file", rig_.noise(3));
    must(tree().make_symlink({}, c, "link", "dir"));
    const auto refused = [&](const Components& path) {
        UploadOptions options;
        options.ticket = tree().draw_ticket();
        return tree().begin_upload("c", path, options).error().code();
    };
    EXPECT_EQ(refused({"dir"}), Errc::kIsDirectory);
    EXPECT_EQ(refused({"file", "x"}), Errc::kNotDirectory);
    EXPECT_EQ(refused({"link", "x"}), Errc::kInvalid);
    EXPECT_EQ(refused({}), Errc::kInvalid);
    EXPECT_EQ(refused({".."}), Errc::kInvalid);
    UploadOptions options;
    EXPECT_EQ(tree().begin_upload("none", {"x"}, options).error().code(), Errc::kNotFound);
    put({"link"}, rig_.noise(7));  // onto a link: replaces the link
    EXPECT_TRUE(must(tree().lookup(c, "link")).is_file());

    auto late = begin({"later"});
    must(tree().make_directory({}, c, "later", 0755));
    EXPECT_EQ(finish(*late).error().code(), Errc::kIsDirectory);
    late.reset();
    EXPECT_TRUE(must(tree().lookup(c, "later")).is_directory());
}

TEST_F(UploadTest, AnOlderTicketNeverReplacesANewerVersion) {
    const auto first = tree().draw_ticket(), second = tree().draw_ticket();
    ASSERT_LT(first, second);
    auto older = begin({"o"}, false, first);
    must(older->append(rig_.noise(10)));
    {
        auto newer = begin({"o"}, false, second);
        must(newer->append(rig_.noise(20)));
        newer->complete();
        must(newer->make_durable());
        must(newer->publish(hash_));
    }
    must(finish(*older));  // complete, and replaced at once
    older.reset();
    EXPECT_EQ(must(get({"o"})).size(), 20u);
    EXPECT_EQ(nodes(), 3u);
}

TEST_F(UploadTest, AClockSetBackDoesNotMakeEveryUploadTooOld) {
    put({"o"}, rig_.noise(10));
    rig_.clock().advance_ms(-3'600'000);
    rig_.reopen();
    put({"o"}, rig_.noise(20));
    EXPECT_EQ(must(get({"o"})).size(), 20u);
}

TEST_F(UploadTest, CompleteUploadsOfAFolderPublishInTheOrderOfTheirTickets) {
    auto segment = begin({"live", "1.ts"});
    auto list = begin({"live", "i.m3u8"});
    auto elsewhere = begin({"other", "i.m3u8"});
    must(segment->append(rig_.noise(10)));
    must(list->append(rig_.noise(10)));
    int woken = 0;
    const auto wake = [&] { ++woken; };
    list->complete();
    elsewhere->complete();
    EXPECT_TRUE(elsewhere->turn(wake).now);
    // All that came of the segment is appended, just now.
    segment->waits();
    const auto asked = list->turn(wake);
    EXPECT_FALSE(asked.now);
    EXPECT_LE(asked.ask_again_ms, limits::upload_quiet_ms + 1);
    segment->complete();
    rig_.clock().advance_ms(60'000);
    EXPECT_FALSE(list->turn(wake).now) << "it is complete: it goes first, however long it takes";
    EXPECT_EQ(woken, 0);
    must(segment->make_durable());
    EXPECT_TRUE(segment->turn(wake).now);
    must(segment->publish(hash_));
    EXPECT_EQ(woken, 1);
    EXPECT_TRUE(list->turn(wake).now);
}

TEST_F(UploadTest, ADeletionWaitsForTheListThatWasSentBeforeIt) {
    put({"live", "1.ts"}, rig_.noise(10));
    auto list = begin({"live", "i.m3u8"});
    must(list->append(rig_.noise(10)));
    auto deletion = must(tree().begin_delete("c", {"live", "1.ts"}, tree().draw_ticket()));
    auto later = begin({"live", "1.ts"});
    auto elsewhere = must(tree().begin_delete("c", {"other", "1.ts"}, tree().draw_ticket()));
    int woken = 0;
    const auto wake = [&] { ++woken; };
    EXPECT_TRUE(elsewhere->turn(wake).now);
    elsewhere.reset();
    list->complete();
    later->complete();
    rig_.clock().advance_ms(60'000);
    EXPECT_FALSE(deletion->turn(wake).now) << "the list without the segment is not there yet";
    must(list->make_durable());
    must(list->publish(hash_));
    EXPECT_EQ(woken, 1);
    EXPECT_TRUE(deletion->turn(wake).now);
    EXPECT_FALSE(later->turn(wake).now) << "what was sent after the deletion outlives it";
    must(deletion->commit());
    deletion.reset();
    EXPECT_EQ(woken, 2);
    EXPECT_TRUE(later->turn(wake).now);
    must(later->make_durable());
    must(later->publish(hash_));
    EXPECT_TRUE(get({"live", "1.ts"}).ok());
    EXPECT_EQ(tree().begin_delete("none", {"x"}, tree().draw_ticket()).error().code(),
              Errc::kNotFound);
}

TEST_F(UploadTest, ATicketIsWaitedForBeforeItsUploadBegins) {
    const auto connection = tree().draw_ticket(), request = tree().draw_ticket();
    tree().await_ticket(connection);
    tree().confirm_ticket(request);
    auto list = begin({"live", "i.m3u8"});
    int woken = 0;
    const auto wake = [&] { ++woken; };
    list->complete();
    EXPECT_FALSE(list->turn(wake).now);
    rig_.clock().advance_ms(limits::upload_quiet_ms);
    const auto asked = list->turn(wake);
    EXPECT_FALSE(asked.now) << "a request is on its way";
    EXPECT_LE(asked.ask_again_ms, limits::upload_patience_ms);
    auto segment = begin({"live", "1.ts"}, false, request);
    EXPECT_EQ(woken, 1);
    EXPECT_FALSE(list->turn(wake).now) << "its bytes may be coming in";
    segment.reset();
    EXPECT_EQ(woken, 2);
    EXPECT_TRUE(list->turn(wake).now) << "nobody was heard with the other";
    tree().drop_ticket(connection);
}

TEST_F(UploadTest, ABodyStillOnItsWayDelaysNobodyForLong) {
    auto slow = begin({"live", "1.ts"});
    auto streaming = begin({"live", "2.ts"}, true);
    auto list = begin({"live", "i.m3u8"});
    must(streaming->append(rig_.noise(10)));
    list->complete();
    slow->waits();
    EXPECT_FALSE(list->turn([] {}).now);
    rig_.clock().advance_ms(limits::upload_quiet_ms);
    must(streaming->append(rig_.noise(10)));
    EXPECT_TRUE(list->turn([] {}).now) << "its peer is slow, and a STREAMING one is seen anyway";
    slow->goes_on();
    EXPECT_FALSE(list->turn([] {}).now) << "its peer has sent more";
    for (std::int64_t ms = 0; ms < limits::upload_patience_ms; ms += limits::upload_quiet_ms / 2) {
        slow->goes_on();
        must(slow->append(rig_.noise(10)));
        slow->waits();
        rig_.clock().advance_ms(limits::upload_quiet_ms / 2);
    }
    must(slow->append(rig_.noise(10)));
    EXPECT_TRUE(list->turn([] {}).now) << "steady, but for too long";
    slow.reset();
}

TEST_F(UploadTest, OwnerAndDefaultListComeFromTheFolderAndNoPrivilegeDoes) {
    const NodeId c = rig_.container();
    AttributeChange change;
    change.mode = 02755;
    change.uid = 7;
    change.gid = 8;
    must(tree().change({}, c, change));
    // u::rw-,u:1234:r-x,g::r--,m::r-x,o::---
    const auto list = *from_hex(
        "0200000001000600ffffffff02000500d204000004000400ffffffff10000500ffffffff20000000ffffffff");
    must(tree().set_xattr(c, "system.posix_acl_default", list, XattrMode::kSet));
    put({"f", "o"}, rig_.noise(5));
    const Attributes folder = must(tree().lookup(c, "f"));
    const Attributes file = must(tree().lookup(folder.node, "o"));
    for (const Attributes& made : {folder, file}) {
        EXPECT_EQ(made.uid, 7u);
        EXPECT_EQ(made.gid, 8u);
        EXPECT_EQ(made.mode & 07000, 0u);
        EXPECT_EQ(made.mode & 0007, 0u) << "the list lets no others in";
        EXPECT_TRUE(tree().get_xattr(made.node, "system.posix_acl_access").ok());
    }
    EXPECT_TRUE(tree().get_xattr(folder.node, "system.posix_acl_default").ok());
}

TEST_F(UploadTest, TheHashGoesWhenTheContentChanges) {
    put({"o"}, rig_.noise(100));
    const NodeId node = must(tree().lookup(rig_.container(), "o")).node;
    EXPECT_EQ(text_of(must(tree().get_xattr(node, "user.reelfs.sha256"))), to_hex(hash_));
    auto file = must(tree().open(node, {.read = true, .write = true}));
    must(tree().write({}, *file, 0, rig_.noise(1)));
    EXPECT_EQ(tree().get_xattr(node, "user.reelfs.sha256").error().code(), Errc::kNoAttribute);
    must(tree().flush(*file));
    tree().release(file);
    EXPECT_EQ(tree().get_xattr(node, "user.reelfs.sha256").error().code(), Errc::kNoAttribute);
}

TEST_F(UploadTest, OtherDoorsAreToldBeforePublishAndDeleteReturn) {
    test::Listener listener;
    tree().set_change_listener(&listener);
    put({"n", "m", "o"}, rig_.noise(5));
    EXPECT_EQ(listener.told, "n o | ");
    listener.told.clear();
    must(tree().delete_object("c", {"n", "m", "o"}));
    EXPECT_EQ(listener.told, "o n | ");
    tree().set_change_listener(nullptr);
}

TEST_F(UploadTest, ItemsComeInPagesThatEndAtNamesAndPassOverWhatIsNoText) {
    const NodeId c = rig_.container();
    must(tree().make_directory({}, c, "folder", 0755));
    rig_.put(must(tree().lookup(c, "folder")).node, "in", rig_.noise(1));
    must(tree().make_directory({}, c, "empty", 0755));
    must(tree().make_symlink({}, c, "link", "folder"));
    rig_.put(c, "bad\xff", rig_.noise(1));
    rig_.put(c, "\xc3\xa4", rig_.noise(2));
    for (int i = 0; i < 700; ++i) rig_.put(c, "o" + std::to_string(1000 + i), rig_.noise(3));
    std::vector<std::string> seen;
    std::uint64_t unlistable = 0;
    std::string after;
    for (bool more = true; more;) {
        const ItemPage page = must(tree().list_items("c", {}, after, 300));
        EXPECT_LE(page.items.size(), 300u);
        for (const Item& item : page.items) {
            seen.push_back(item.name);
            EXPECT_EQ(item.folder, item.name == "folder");
            EXPECT_EQ(item.etag.none(), item.folder);
        }
        unlistable += page.unlistable;
        more = page.more;
        ASSERT_TRUE(!more || page.last > after);
        after = page.last;
    }
    EXPECT_EQ(seen.size(), 702u);
    EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
    EXPECT_EQ(unlistable, 1u);
    EXPECT_EQ(must(tree().list_items("c", {"no", "such"}, "", 10)).items.size(), 0u);
    EXPECT_EQ(tree().list_items("none", {}, "", 10).error().code(), Errc::kNotFound);
}

TEST_F(UploadTest, UploadsAndReadersOfOnePathAtOnceSeeWholeVersionsOnly) {
    constexpr int kWriters = 3, kRounds = 40;
    std::vector<std::thread> writers;
    std::atomic<bool> stop{false};
    put({"p", "o"}, std::vector<std::byte>(1000, std::byte{1}));
    for (int w = 0; w < kWriters; ++w)
        writers.emplace_back([&, w] {
            for (int i = 0; i < kRounds; ++i) {
                auto upload = begin({"p", "o"}, w == 0);
                const std::vector<std::byte> bytes(20'000 + static_cast<std::size_t>(w) * 1000,
                                                   std::byte(w + 2));
                must(upload->append(Bytes(bytes).first(7'000)));
                must(upload->append(Bytes(bytes).subspan(7'000)));
                if (i % 5 == 4) continue;  // given up
                must(finish(*upload));
            }
        });
    std::thread reader([&] {
        while (!stop) {
            auto object = must(tree().open_object(kHere, "c", {"p", "o"}));
            auto bytes = read(*object);
            if (!bytes) {
                EXPECT_EQ(bytes.error().code(), Errc::kCancelled);
                continue;
            }
            EXPECT_TRUE(std::all_of(bytes->begin(), bytes->end(),
                                    [&](std::byte b) { return b == bytes->front(); }));
        }
    });
    for (auto& writer : writers) writer.join();
    stop = true;
    reader.join();
    rig_.reopen();
    EXPECT_EQ(nodes(), 4u);
}

}  // namespace
}  // namespace reelfs::core
