"""expense-py: one worker reads a receipt, another one decides.

Input: {"receipt": "Taxi to the airport, 42.50", "preparer": "Agent/clerk", "approver": "Human/ann@acme.example"}. Who is
an agent and who a person makes no difference here: a person is asked by a form with the same schema.
"""

import org_ai
from org_ai import events, worker

CLAIM = {
    "type": "object",
    "properties": {
        "summary": {"type": "string", "minLength": 1},
        "category": {"enum": ["travel", "meals", "equipment", "other"]},
        "amount": {"type": "number", "exclusiveMinimum": 0},
    },
    "required": ["summary", "category", "amount"],
    "additionalProperties": False,
}


@org_ai.code
def WitWorld(input):
    receipt = input.get("receipt", "").strip()
    if not receipt:
        raise org_ai.invalid("the receipt is empty")
    claim = worker.generate(f"Read this receipt: {receipt}", input["preparer"], schema=CLAIM)
    request = {"type": "expense", "description": claim["summary"], "amount": claim["amount"], "data": claim}
    answer = worker.approve(request, input["approver"])
    approved = answer["approved"]
    events.emit("Expense.decided", {"amount": claim["amount"], "approved": approved})
    return {"claim": claim, "approved": approved, "approver": answer["approver"], "reason": answer.get("reason")}
