// Package orgai is the org.ai SDK for Go: JSON in and out as values, faults as errors.
//
//	func init() { orgai.Code(greet) }
//
//	func greet(input Input) (Greeting, error) { … }
package orgai

import (
	"encoding/json"
	"errors"
	"fmt"

	"wit_component/org_ai_actions_actions"
	"wit_component/org_ai_context_context"
	"wit_component/org_ai_events_events"
	"wit_component/org_ai_timers_timers"
	"wit_component/org_ai_types_types"
	"wit_component/org_ai_worker_worker"

	witTypes "go.bytecodealliance.org/pkg/wit/types"
)

// Kind says what the caller should do next. The order is that of fault-kind in the WIT.
type Kind uint8

const (
	Invalid Kind = iota
	Unauthenticated
	Forbidden
	NotFound
	Conflict
	Gone
	Limit
	RateLimited
	Timeout
	Cancelled
	Failed
	Upstream
	Unavailable
	Internal
)

// Fault is why a call did not succeed. Return one to fail with a code of your own; any other error becomes the kind
// Failed with the code ERROR.
type Fault struct {
	Kind    Kind
	Code    string
	Message string
	// Details is JSON, or empty.
	Details string
}

func (f *Fault) Error() string { return f.Code + ": " + f.Message }

// InvalidInput is the fault of an input that is not acceptable.
func InvalidInput(format string, arguments ...any) *Fault {
	return &Fault{Kind: Invalid, Code: "INVALID_INPUT", Message: fmt.Sprintf(format, arguments...)}
}

// IsUnavailable tells whether the host does not serve what was asked, so that a function can go on without it.
func IsUnavailable(err error) bool {
	var fault *Fault
	return errors.As(err, &fault) && fault.Kind == Unavailable
}

var handler func(input string) (string, error)

// Code makes a function the component's export. Call it from init.
func Code[I, O any](function func(I) (O, error)) {
	handler = func(input string) (string, error) {
		var in I
		if err := json.Unmarshal([]byte(input), &in); err != nil {
			return "", InvalidInput("the input does not fit: %v", err)
		}
		out, err := function(in)
		if err != nil {
			return "", err
		}
		return text(out)
	}
}

// Run is called by the component's export.
func Run(input string) witTypes.Result[string, org_ai_types_types.Fault] {
	if handler == nil {
		return witTypes.Err[string](toWit(&Fault{Kind: Failed, Code: "NO_HANDLER", Message: "init has not called orgai.Code"}))
	}
	output, err := handler(input)
	if err != nil {
		return witTypes.Err[string](toWit(err))
	}
	return witTypes.Ok[string, org_ai_types_types.Fault](output)
}

// Try calls another function once, now.
func Try[O any](action string, data any) (O, error) {
	return asked[O](data, func(json string) witTypes.Result[string, org_ai_types_types.Fault] {
		return org_ai_actions_actions.Try(action, json, noOptions())
	})
}

// Do calls another function, recorded before it runs, retried, finished whatever crashes.
func Do[O any](action string, data any) (O, error) {
	return asked[O](data, func(json string) witTypes.Result[string, org_ai_types_types.Fault] {
		return org_ai_actions_actions.Do(action, json, noOptions())
	})
}

// Send calls another function without waiting for it, and gives the id of the action.
func Send(action string, data any) (string, error) {
	json, err := text(data)
	if err != nil {
		return "", err
	}
	return unwrap(org_ai_actions_actions.Send(action, json, noOptions()))
}

// Emit says that something happened: event is Noun.event, source is Noun/id or empty.
func Emit(event string, data any, source string) error {
	json, err := text(data)
	if err != nil {
		return err
	}
	_, err = unwrap(org_ai_events_events.Emit(event, json, optional(source)))
	return err
}

// Sleep waits for so many milliseconds.
func Sleep(milliseconds uint64) error {
	_, err := unwrap(org_ai_timers_timers.Sleep(milliseconds))
	return err
}

// Invocation is what an invocation may know about itself.
type Invocation = org_ai_context_context.Invocation

// Context tells who runs, where, for whom.
func Context() Invocation { return org_ai_context_context.Get() }

// Info writes one line into the function's log; fmt.Println writes there too, without a level.
func Info(format string, arguments ...any) {
	org_ai_context_context.Log(org_ai_context_context.LevelInfo, fmt.Sprintf(format, arguments...))
}

// Warn is Info at the level of warnings.
func Warn(format string, arguments ...any) {
	org_ai_context_context.Log(org_ai_context_context.LevelWarn, fmt.Sprintf(format, arguments...))
}

// Ask gets an answer from a worker, named by a string; the empty name is the durable object's default. options may be nil.
func Ask[O any](worker, question string, options any) (O, error) {
	return asked[O](options, func(json string) witTypes.Result[string, org_ai_types_types.Fault] {
		return org_ai_worker_worker.Ask(optional(worker), question, optional(json))
	})
}

// Approve asks a worker for approval of a request.
func Approve[O any](worker string, request any) (O, error) {
	return asked[O](request, func(json string) witTypes.Result[string, org_ai_types_types.Fault] {
		return org_ai_worker_worker.Approve(optional(worker), json, witTypes.None[string]())
	})
}

func asked[O any](data any, call func(json string) witTypes.Result[string, org_ai_types_types.Fault]) (O, error) {
	var out O
	json, err := text(data)
	if err != nil {
		return out, err
	}
	answer, err := unwrap(call(json))
	if err != nil {
		return out, err
	}
	err = value(answer, &out)
	return out, err
}

func value(answer string, out any) error {
	if err := json.Unmarshal([]byte(answer), out); err != nil {
		return &Fault{Kind: Failed, Code: "JSON", Message: err.Error()}
	}
	return nil
}

func text(data any) (string, error) {
	bytes, err := json.Marshal(data)
	return string(bytes), err
}

func optional(value string) witTypes.Option[string] {
	if value == "" || value == "null" {
		return witTypes.None[string]()
	}
	return witTypes.Some(value)
}

func noOptions() witTypes.Option[org_ai_actions_actions.Options] {
	return witTypes.None[org_ai_actions_actions.Options]()
}

func unwrap[T any](result witTypes.Result[T, org_ai_types_types.Fault]) (T, error) {
	if result.IsOk() {
		return result.Ok(), nil
	}
	fault := result.Err()
	var none T
	return none, &Fault{Kind(fault.Kind), fault.Code, fault.Message, fault.Details.SomeOr("")}
}

func toWit(err error) org_ai_types_types.Fault {
	var fault *Fault
	if !errors.As(err, &fault) {
		fault = &Fault{Kind: Failed, Code: "ERROR", Message: err.Error()}
	}
	return org_ai_types_types.Fault{
		Kind: uint8(fault.Kind), Code: fault.Code, Message: fault.Message, Details: optional(fault.Details),
	}
}
