/* Where each feature's bit is. See features.h. */
#include "cpu-model/state/features.h"

static const struct {
    uint8_t word, bit;
} places[] = {
#define X(symbol, word, bit, name) {word, bit},
    CPU_FEATURES(X)
#undef X
};

bool cpu_has_feature(const struct cpu_features *features, enum cpu_feature feature)
{
    return cpu_has_bit(features, places[feature].word, places[feature].bit);
}
