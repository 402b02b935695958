#pragma once

inline float softly_clipped(float x, float bound) {
    const float size = x < 0 ? -x : x;
    return x / (1.0f + size / bound);
}
