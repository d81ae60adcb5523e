// my-function: greets whom the input names, {"name": "Ann"}.
package main

import (
	"fmt"

	"wit_component/orgai"
)

type input struct {
	Name string `json:"name"`
}

type greeting struct {
	Message string `json:"message"`
}

func init() { orgai.Code(greet) }

func greet(in input) (greeting, error) {
	if in.Name == "" {
		return greeting{}, orgai.InvalidInput("name is empty")
	}
	fmt.Printf("greeting %s for %s\n", in.Name, orgai.Context().Actor)
	made := greeting{"Hello, " + in.Name + "!"}
	return made, orgai.Emit("Greeting.sent", made, "")
}
