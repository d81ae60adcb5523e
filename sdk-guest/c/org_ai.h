// The org.ai SDK for C: strings, JSON text and faults, around what wit-bindgen generates into code.h.
//
// A function of kind `code` defines
//     bool exports_code_run(org_ai_json_t *input, org_ai_json_t *ret, code_fault_t *err);
// and says what happened by `return org_ai_ok(...)` or `return org_ai_fail(...)`. Everything a function returns is
// owned by the caller from then on; the input is owned by the function.
#ifndef ORG_AI_H
#define ORG_AI_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "code.h"

typedef code_string_t org_ai_string_t;
typedef org_ai_types_types_json_t org_ai_json_t;
typedef org_ai_types_types_fault_t org_ai_fault_t;

// A view of a C string; nothing is copied, nothing to free.
static inline org_ai_string_t org_ai_view(const char *text) {
  return (org_ai_string_t){(uint8_t *)text, strlen(text)};
}

// A copy that the platform may free.
static inline org_ai_string_t org_ai_copy(const char *text, size_t length) {
  org_ai_string_t copy = {malloc(length ? length : 1), length};
  if (copy.ptr == NULL) abort();
  memcpy(copy.ptr, text, length);
  return copy;
}

// As printf, into a new string.
__attribute__((format(printf, 1, 2))) static inline org_ai_string_t org_ai_format(const char *format, ...) {
  va_list arguments, again;
  va_start(arguments, format);
  va_copy(again, arguments);
  int length = vsnprintf(NULL, 0, format, arguments);
  va_end(arguments);
  if (length < 0) abort();
  org_ai_string_t text = {malloc((size_t)length + 1), (size_t)length};
  if (text.ptr == NULL) abort();
  vsnprintf((char *)text.ptr, (size_t)length + 1, format, again);
  va_end(again);
  return text;
}

// Frees what a call of the platform gave, or what org_ai_copy and org_ai_format made.
static inline void org_ai_free(org_ai_string_t *text) {
  free(text->ptr);
  *text = (org_ai_string_t){NULL, 0};
}

static inline bool org_ai_ok(org_ai_json_t *ret, org_ai_string_t json) {
  *ret = json;
  return true;
}

// The function itself failed; `code` is an upper-snake word that programs can branch on.
static inline bool org_ai_fail(org_ai_fault_t *err, org_ai_types_types_fault_kind_t kind, const char *code,
                               org_ai_string_t message) {
  memset(err, 0, sizeof *err);
  err->kind = kind;
  err->code = org_ai_copy(code, strlen(code));
  err->message = message;
  return false;
}

static inline bool org_ai_is_unavailable(const org_ai_fault_t *fault) {
  return fault->kind == ORG_AI_TYPES_TYPES_FAULT_KIND_UNAVAILABLE;
}

// One line into the function's log, with a level; printf writes there too.
static inline void org_ai_log(org_ai_context_context_level_t level, const char *message) {
  org_ai_string_t view = org_ai_view(message);
  org_ai_context_context_log(level, &view);
}

// The string member `name` of a flat JSON object, unescaped, in a new string. False when there is none. For anything
// deeper, take a JSON library into the project.
static inline bool org_ai_json_string(const org_ai_json_t *json, const char *name, org_ai_string_t *out) {
  const uint8_t *at = json->ptr, *end = json->ptr + json->len;
  size_t length = strlen(name);
  int depth = 0;
  while (at < end) {
    if (*at == '{' || *at == '[') depth++;
    if (*at == '}' || *at == ']') depth--;
    if (*at++ != '"') continue;
    const uint8_t *begin = at;
    while (at < end && *at != '"') at += *at == '\\' ? 2 : 1;
    if (at >= end) return false;
    size_t found = (size_t)(at++ - begin);
    while (at < end && strchr(" \t\r\n", *at)) at++;
    if (at >= end || *at != ':' || depth != 1 || found != length || memcmp(begin, name, length) != 0) continue;
    at++;
    while (at < end && strchr(" \t\r\n", *at)) at++;
    if (at >= end || *at++ != '"') return false;
    uint8_t *text = malloc((size_t)(end - at) + 1);
    if (text == NULL) abort();
    size_t n = 0;
    while (at < end && *at != '"') {
      if (*at != '\\') {
        text[n++] = *at++;
        continue;
      }
      if (++at >= end) break;
      uint8_t escape = *at++;
      if (escape != 'u') {
        const char *from = "nrtbf", *to = "\n\r\t\b\f", *hit = strchr(from, escape);
        text[n++] = hit ? (uint8_t)to[hit - from] : escape;
        continue;
      }
      uint32_t point = 0;
      for (int pair = 0; pair < 2; pair++) {
        if (end - at < 4) break;
        uint32_t unit = (uint32_t)strtoul((char[]){at[0], at[1], at[2], at[3], 0}, NULL, 16);
        at += 4;
        point = pair ? 0x10000 + ((point - 0xD800) << 10) + (unit - 0xDC00) : unit;
        bool has_low = unit >= 0xD800 && unit < 0xDC00 && end - at >= 6 && at[0] == '\\' && at[1] == 'u';
        if (pair || !has_low) break;
        at += 2;
      }
      if (point < 0x80) {
        text[n++] = (uint8_t)point;
      } else if (point < 0x800) {
        text[n++] = (uint8_t)(0xC0 | point >> 6);
        text[n++] = (uint8_t)(0x80 | (point & 0x3F));
      } else if (point < 0x10000) {
        text[n++] = (uint8_t)(0xE0 | point >> 12);
        text[n++] = (uint8_t)(0x80 | (point >> 6 & 0x3F));
        text[n++] = (uint8_t)(0x80 | (point & 0x3F));
      } else {
        text[n++] = (uint8_t)(0xF0 | point >> 18);
        text[n++] = (uint8_t)(0x80 | (point >> 12 & 0x3F));
        text[n++] = (uint8_t)(0x80 | (point >> 6 & 0x3F));
        text[n++] = (uint8_t)(0x80 | (point & 0x3F));
      }
    }
    *out = (org_ai_string_t){text, n};
    return true;
  }
  return false;
}

// The text as a JSON string, quotes included, in a new string.
static inline org_ai_string_t org_ai_json_quote(const org_ai_string_t *text) {
  org_ai_string_t out = {malloc(text->len * 6 + 2), 0};
  if (out.ptr == NULL) abort();
  out.ptr[out.len++] = '"';
  for (size_t i = 0; i < text->len; i++) {
    uint8_t c = text->ptr[i];
    if (c == '"' || c == '\\') {
      out.ptr[out.len++] = '\\';
      out.ptr[out.len++] = c;
    } else if (c < 0x20) {
      static const char hex[] = "0123456789abcdef";
      memcpy(out.ptr + out.len, "\\u00", 4);
      out.ptr[out.len + 4] = (uint8_t)hex[c >> 4];
      out.ptr[out.len + 5] = (uint8_t)hex[c & 15];
      out.len += 6;
    } else {
      out.ptr[out.len++] = c;
    }
  }
  out.ptr[out.len++] = '"';
  return out;
}

#endif
