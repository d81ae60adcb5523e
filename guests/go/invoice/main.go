// invoice: has an order placed by the function `order`, and makes the invoice for it, with approval by a person for a
// large one where there is somebody. Input: {"customer": "Acme", "items": [{"sku": "tea", "quantity": 2}]}.
package main

import (
	"fmt"

	"wit_component/orgai"
)

const approvalFromCents = 1_000_000

type input struct {
	Customer string           `json:"customer"`
	Items    []map[string]any `json:"items"`
}

type order struct {
	ID    string `json:"id"`
	Lines []line `json:"lines"`
	Total uint64 `json:"total_cents"`
}

type line struct {
	SKU      string `json:"sku"`
	Quantity uint32 `json:"quantity"`
	Total    uint64 `json:"total_cents"`
}

type invoice struct {
	Number   string `json:"number"`
	Customer string `json:"customer"`
	Text     string `json:"text"`
	Total    uint64 `json:"total_cents"`
	Approval string `json:"approval"`
}

func init() { orgai.Code(issue) }

func issue(in input) (invoice, error) {
	if in.Customer == "" {
		return invoice{}, orgai.InvalidInput("an invoice needs a customer")
	}
	placed, err := orgai.Try[order]("order", map[string]any{"items": in.Items})
	if err != nil {
		return invoice{}, err
	}
	approval, err := approve(in.Customer, placed.Total)
	if err != nil {
		return invoice{}, err
	}
	made := invoice{"INV-" + placed.ID, in.Customer, render(in.Customer, placed), placed.Total, approval}
	fmt.Printf("invoice %s for %s: %s\n", made.Number, orgai.Context().Actor, euros(made.Total))
	return made, orgai.Emit("Invoice.issued", map[string]any{"number": made.Number, "total_cents": made.Total}, "Invoice/"+made.Number)
}

// approve asks about a large sum; a host without workers lets it pass with a note.
func approve(customer string, total uint64) (string, error) {
	if total < approvalFromCents {
		return "not needed", nil
	}
	request := map[string]any{"type": "invoice", "description": euros(total) + " to " + customer, "requester": "invoice"}
	answer, err := orgai.Approve[struct {
		Status string `json:"status"`
	}]("role:finance", request)
	if orgai.IsUnavailable(err) {
		orgai.Warn("nobody to approve: %v", err)
		return "nobody to ask", nil
	}
	return answer.Status, err
}

func render(customer string, placed order) string {
	text := "Invoice for " + customer + "\n"
	for _, line := range placed.Lines {
		text += fmt.Sprintf("%4d x %-12s %12s\n", line.Quantity, line.SKU, euros(line.Total))
	}
	return text + fmt.Sprintf("%-19s %12s\n", "total", euros(placed.Total))
}

func euros(cents uint64) string { return fmt.Sprintf("%d.%02d EUR", cents/100, cents%100) }
