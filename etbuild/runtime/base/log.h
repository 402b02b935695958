// Where the texts of errors are kept.
//
// A firmware keeps them beside its image: in a section of the ELF file that no target loads. What stands in the place
// of the pointer is the text's offset in that section; whoever reads the results has the ELF file and looks it up. A
// text that is no literal does not compile there: what passes a text on makes a Status of it.
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
