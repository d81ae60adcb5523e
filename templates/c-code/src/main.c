// my-function: greets whom the input names, {"name": "Ann"}.
#include "org_ai.h"

bool exports_code_run(org_ai_json_t *input, org_ai_json_t *ret, code_fault_t *err) {
  org_ai_string_t name;
  if (!org_ai_json_string(input, "name", &name) || name.len == 0) {
    return org_ai_fail(err, ORG_AI_TYPES_TYPES_FAULT_KIND_INVALID, "INVALID_INPUT", org_ai_format("name is empty"));
  }
  printf("greeting %.*s\n", (int)name.len, (char *)name.ptr);
  fflush(stdout);
  org_ai_string_t message = org_ai_format("Hello, %.*s!", (int)name.len, (char *)name.ptr);
  org_ai_string_t quoted = org_ai_json_quote(&message);
  org_ai_string_t greeting = org_ai_format("{\"message\":%.*s}", (int)quoted.len, (char *)quoted.ptr);

  org_ai_string_t event = org_ai_view("Greeting.sent");
  if (!org_ai_events_events_emit(&event, &greeting, NULL, err)) return false;
  return org_ai_ok(ret, greeting);
}
