#include "messages.h"

#include <string.h>

const char PF_SESSION_UPDATE[] =
    "{\"type\":\"session.update\",\"session\":{\"type\":\"realtime\",\"audio\":{"
    "\"input\":{\"format\":{\"type\":\"audio/pcm\",\"rate\":24000},\"transcription\":null},"
    "\"output\":{\"format\":{\"type\":\"audio/pcm\",\"rate\":24000}}}}}";

static const char APPEND[] = "{\"type\":\"input_audio_buffer.append\",\"audio\":\"";
static const char APPEND_END[] = "\"}";
static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static char *encode(char *out, const uint8_t *in, size_t length)
{
    for (size_t i = 0; i < length; i += 3) {
        size_t left = length - i;
        uint32_t three = (uint32_t)in[i] << 16;
        if (left > 1) three |= (uint32_t)in[i + 1] << 8;
        if (left > 2) three |= in[i + 2];
        *out++ = DIGITS[three >> 18];
        *out++ = DIGITS[three >> 12 & 63];
        *out++ = left > 1 ? DIGITS[three >> 6 & 63] : '=';
        *out++ = left > 2 ? DIGITS[three & 63] : '=';
    }
    return out;
}

size_t pf_append(char *out, size_t size, const void *audio, size_t length)
{
    if (length > SIZE_MAX / 2 || size < PF_APPEND_SIZE(length)) return 0;
    char *end = out;
    memcpy(end, APPEND, sizeof APPEND - 1);
    end = encode(end + sizeof APPEND - 1, audio, length);
    memcpy(end, APPEND_END, sizeof APPEND_END);
    return (size_t)(end - out) + sizeof APPEND_END - 1;
}

static int digit(char c)
{
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

ptrdiff_t pf_decode(uint8_t *out, size_t size, const char *in, size_t length)
{
    if (length % 4) return -1;
    size_t written = 0;
    for (size_t i = 0; i < length; i += 4) {
        bool last = i + 4 == length;
        size_t padding = last && in[i + 3] == '=' ? (in[i + 2] == '=' ? 2 : 1) : 0;
        uint32_t three = 0;
        for (size_t j = 0; j < 4; j++) {
            int value = j >= 4 - padding ? 0 : digit(in[i + j]);
            if (value < 0) return -1;
            three = three << 6 | (uint32_t)value;
        }
        for (size_t j = 0; j < 3 - padding; j++) {
            if (written == size) return -1;
            out[written++] = (uint8_t)(three >> (16 - 8 * j));
        }
    }
    return (ptrdiff_t)written;
}

/* The place behind a string that begins at `i`, or `length` where it has no end. */
static size_t behind_string(const char *json, size_t length, size_t i)
{
    for (i++; i < length; i++) {
        if (json[i] == '\\') i++;
        else if (json[i] == '"') return i + 1;
    }
    return length;
}

static size_t behind_space(const char *json, size_t length, size_t i)
{
    while (i < length && (json[i] == ' ' || json[i] == '\t' || json[i] == '\n' || json[i] == '\r')) i++;
    return i;
}

/* The place behind a value, however deep: where a comma or the end of its surroundings is. */
static size_t behind_value(const char *json, size_t length, size_t i)
{
    size_t depth = 0;
    while (i < length) {
        char c = json[i];
        if (c == '"') {
            i = behind_string(json, length, i);
            continue;
        }
        if (c == '{' || c == '[') depth++;
        if (c == '}' || c == ']') {
            if (depth == 0) return i;
            depth--;
        }
        if (c == ',' && depth == 0) return i;
        i++;
    }
    return length;
}

/* Find a string by its name in the outermost object; what is escaped in it stays so. */
static bool find(const char *json, size_t length, const char *name, const char **value, size_t *value_length)
{
    size_t named = strlen(name), i = behind_space(json, length, 0);
    if (i >= length || json[i] != '{') return false;
    i++;
    while ((i = behind_space(json, length, i)) < length && json[i] == '"') {
        size_t key = i + 1, key_end = behind_string(json, length, i);
        i = behind_space(json, length, key_end);
        if (i >= length || json[i] != ':') return false;
        i = behind_space(json, length, i + 1);
        size_t end = behind_value(json, length, i);
        bool found = key_end - 1 - key == named && memcmp(json + key, name, named) == 0;
        if (found && i < length && json[i] == '"') {
            size_t string_end = behind_string(json, length, i);
            if (string_end > length || string_end < i + 2 || json[string_end - 1] != '"') return false;
            *value = json + i + 1;
            *value_length = string_end - i - 2;
            return true;
        }
        if (end >= length || json[end] != ',') return false;
        i = end + 1;
    }
    return false;
}

pf_event pf_read(const char *json, size_t length)
{
    static const struct {
        const char *type;
        pf_kind kind;
    } kinds[] = {
        {"session.created", PF_EVENT_SESSION},
        {"input_audio_buffer.speech_started", PF_EVENT_SPEECH_STARTED},
        {"input_audio_buffer.speech_stopped", PF_EVENT_SPEECH_STOPPED},
        {"response.created", PF_EVENT_RESPONSE},
        {"response.output_audio.delta", PF_EVENT_AUDIO},
        {"response.done", PF_EVENT_RESPONSE_DONE},
        {"error", PF_EVENT_ERROR},
    };
    pf_event event = {PF_EVENT_OTHER, NULL, 0};
    const char *type;
    size_t type_length;
    if (!find(json, length, "type", &type, &type_length)) return event;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strlen(kinds[i].type) == type_length && memcmp(kinds[i].type, type, type_length) == 0)
            event.kind = kinds[i].kind;
    }
    if (event.kind == PF_EVENT_AUDIO && !find(json, length, "delta", &event.audio, &event.audio_length))
        event.kind = PF_EVENT_OTHER;
    return event;
}

bool pf_take(pf_inbox *inbox, const char *piece, size_t length, size_t offset, size_t total)
{
    if (offset == 0) {
        inbox->length = 0;
        inbox->skipping = total > inbox->size;
    }
    if (inbox->skipping || offset != inbox->length || length > inbox->size - inbox->length) {
        inbox->skipping = true;
        return false;
    }
    memcpy(inbox->buffer + inbox->length, piece, length);
    inbox->length += length;
    return inbox->length == total && total > 0;
}
