// Where the texts of errors are stored.
//
// With ETB_TEXTS_BESIDE (firmware) they are in the ELF section .texts, which is not loaded to the target. The pointer
// in a Status is then the text's offset in that section, and the tool that reads the results looks it up in the ELF
// file (etbuild/firmware/elf_texts.py). error() then accepts string literals only; a function that passes on a text of
// its caller constructs a Status instead.
#pragma once

#ifdef ETB_TEXTS_BESIDE

#define ETB_TEXT(literal)                                                                                         \
    (__extension__({                                                                                              \
        static_assert(sizeof("" literal) > 0);                                                                    \
        const char* etb_text;                                                                                     \
        __asm__(".pushsection .texts,\"\",%%progbits\n0: .asciz " #literal "\n.popsection\nmovw %0, #:lower16:0b" \
                : "=r"(etb_text));                                                                                \
        etb_text;                                                                                                 \
    }))
#define error(code, literal, ...) make_error(code, ETB_TEXT(literal), ##__VA_ARGS__)

#else

#define ETB_TEXT(literal) literal

#endif
