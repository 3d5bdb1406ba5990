// Documents of containers: checked, in force at once, kept, bounded, gone with their container.
#include "core/documents.h"

#include "core/test_store.h"
#include "reelfs/model/limits.h"

namespace reelfs::core {
namespace {

using test::must;

const std::string kRules = R"([{"AllowedOrigins": ["https://a.example"],
                               "AllowedMethods": ["GET"], "AllowedHeaders": []}])";

class DocumentsTest : public ::testing::Test {
  protected:
    Tree& tree() { return rig_.tree(); }

    test::SeededRandom random_;
    test::StoreRig rig_{random_};
};

TEST_F(DocumentsTest, OneIsKeptAsItWasPutAndReplaced) {
    rig_.container("live");
    EXPECT_EQ(must(tree().document("live", DocumentKind::kCors)), std::nullopt);
    must(tree().put_document("live", DocumentKind::kCors, kRules));
    EXPECT_EQ(must(tree().document("live", DocumentKind::kCors)), kRules);
    rig_.crash(test::Crash::kSynced);
    EXPECT_EQ(must(tree().document("live", DocumentKind::kCors)), kRules);
    must(tree().put_document("live", DocumentKind::kCors, kRules + " "));
    rig_.reopen();
    EXPECT_EQ(must(tree().document("live", DocumentKind::kCors)), kRules + " ");
    EXPECT_TRUE(must(tree().delete_document("live", DocumentKind::kCors)));
    EXPECT_FALSE(must(tree().delete_document("live", DocumentKind::kCors)));
    rig_.reopen();
    EXPECT_EQ(must(tree().document("live", DocumentKind::kCors)), std::nullopt);
}

TEST_F(DocumentsTest, WhatSaysSomethingElseIsRefusedAndChangesNothing) {
    rig_.container("live");
    must(tree().put_document("live", DocumentKind::kCors, kRules));
    for (const std::string& bad : {std::string(), std::string("[]"), std::string("[{}]"),
                                   std::string(limits::document_bytes_max + 1, ' ')})
        EXPECT_EQ(tree().put_document("live", DocumentKind::kCors, bad).error().code(),
                  Errc::kInvalid);
    EXPECT_EQ(must(tree().document("live", DocumentKind::kCors)), kRules);
}

TEST_F(DocumentsTest, AContainerThatIsNotThereHasNone) {
    EXPECT_EQ(tree().put_document("no", DocumentKind::kCors, kRules).error().code(),
              Errc::kNotFound);
    EXPECT_EQ(tree().document("no", DocumentKind::kCors).error().code(), Errc::kNotFound);
    EXPECT_EQ(tree().delete_document("no", DocumentKind::kCors).error().code(), Errc::kNotFound);
}

TEST_F(DocumentsTest, TheyGoWithTheirContainer) {
    rig_.container("live");
    must(tree().put_document("live", DocumentKind::kCors, kRules));
    must(tree().delete_container("live"));
    rig_.container("live");
    EXPECT_EQ(must(tree().document("live", DocumentKind::kCors)), std::nullopt);
}

TEST_F(DocumentsTest, AllTogetherAreBounded) {
    const std::string large = kRules + std::string(398'000 - kRules.size(), ' ');
    const std::size_t fit = limits::documents_bytes_max / large.size();
    for (std::size_t i = 0; i < fit; ++i) {
        const std::string name = "c" + std::to_string(i);
        rig_.container(name);
        must(tree().put_document(name, DocumentKind::kCors, large));
    }
    rig_.container("late");
    EXPECT_EQ(tree().put_document("late", DocumentKind::kCors, large).error().code(), Errc::kQuota);
    must(tree().put_document("c0", DocumentKind::kCors, large));  // in place of the same
    EXPECT_TRUE(must(tree().delete_document("c0", DocumentKind::kCors)));
    must(tree().put_document("late", DocumentKind::kCors, large));
}

}  // namespace
}  // namespace reelfs::core
