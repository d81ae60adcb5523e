// Package export_wit_world is what the generated code calls for the world `code`.
package export_wit_world

import (
	"wit_component/org_ai_types_types"
	"wit_component/orgai"

	witTypes "go.bytecodealliance.org/pkg/wit/types"
)

// Run is the component's export.
func Run(input string) witTypes.Result[string, org_ai_types_types.Fault] {
	return orgai.Run(input)
}
