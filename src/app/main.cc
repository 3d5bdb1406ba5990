// The program: everything is in the library, so that tests can link it.
#include "app/command_line.h"

int main(int argc, char** argv) {
    return reelfs::app::run(argc, argv);
}
