"""my-function: greets whom the input names, {"name": "Ann"}."""

import org_ai
from org_ai import context, events


@org_ai.code
def WitWorld(input):
    name = input.get("name")
    if not name:
        raise org_ai.invalid("name is empty")
    print(f"greeting {name} for {context.get().actor}")
    greeting = {"message": f"Hello, {name}!"}
    events.emit("Greeting.sent", greeting)
    return greeting
