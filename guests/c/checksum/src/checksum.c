// checksum: the CRC-32 (ISO 3309) of a text, after a greeting by the function `hello`. Input: {"text": "…"}; with
// {"text": "…", "reviewer": "Human/ann@acme.example"} it asks that worker whether the sum looks right.
#include "org_ai.h"

static uint32_t crc32(const uint8_t *bytes, size_t length) {
  uint32_t crc = 0xFFFFFFFF;
  for (size_t i = 0; i < length; i++) {
    crc ^= bytes[i];
    for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320 : 0);
  }
  return ~crc;
}

// The answer as JSON, or a plain text where the host has no workers; false for any other fault.
static bool ask(org_ai_string_t *reviewer, uint32_t crc, org_ai_string_t *answer, org_ai_fault_t *err) {
  org_ai_string_t question = org_ai_format("Does %08x look right?", crc);
  bool answered = org_ai_worker_worker_ask(reviewer, &question, NULL, answer, err);
  org_ai_free(&question);
  if (answered) return true;
  if (!org_ai_is_unavailable(err)) return false;
  org_ai_log(ORG_AI_CONTEXT_CONTEXT_LEVEL_WARN, "nobody to ask: no worker is served");
  *answer = org_ai_format("\"unavailable\"");
  return true;
}

bool exports_code_run(org_ai_json_t *input, org_ai_json_t *ret, code_fault_t *err) {
  org_ai_string_t text, reviewer, greeting, answer = org_ai_view("null");
  if (!org_ai_json_string(input, "text", &text)) {
    return org_ai_fail(err, ORG_AI_TYPES_TYPES_FAULT_KIND_INVALID, "INVALID_INPUT",
                       org_ai_format("the input needs a text: {\"text\": \"…\"}"));
  }
  uint32_t crc = crc32(text.ptr, text.len);

  org_ai_string_t hello = org_ai_view("hello"), name = org_ai_view("{\"name\":\"checksum\"}");
  if (!org_ai_actions_actions_try(&hello, &name, NULL, &greeting, err)) return false;
  if (org_ai_json_string(input, "reviewer", &reviewer) && !ask(&reviewer, crc, &answer, err)) return false;

  org_ai_context_context_invocation_t me;
  org_ai_context_context_get(&me);
  printf("crc32 of %zu bytes for %.*s: %08x\n", text.len, (int)me.actor.len, (char *)me.actor.ptr, crc);
  fflush(stdout);

  org_ai_string_t event = org_ai_view("Text.checked");
  org_ai_string_t data = org_ai_format("{\"crc32\":\"%08x\",\"bytes\":%zu}", crc, text.len);
  if (!org_ai_events_events_emit(&event, &data, NULL, err)) return false;
  return org_ai_ok(ret, org_ai_format("{\"crc32\":\"%08x\",\"bytes\":%zu,\"greeting\":%.*s,\"review\":%.*s}", crc, text.len,
                                      (int)greeting.len, (char *)greeting.ptr, (int)answer.len, (char *)answer.ptr));
}
