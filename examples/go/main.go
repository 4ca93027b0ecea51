// The smallest Lambda function without any library: asks the Runtime API for events and answers them.
// With aws-lambda-go, main is `lambda.Start(greet)`.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"os"
)

type event struct {
	Name string `json:"name"`
}

type answer struct {
	Greeting string `json:"greeting"`
}

func greet(e event) answer {
	return answer{"Hello, " + e.Name + "!"}
}

func main() {
	api := "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/invocation/"
	for {
		if err := serve(api); err != nil {
			log.Fatal(err)
		}
	}
}

func serve(api string) error {
	next, err := http.Get(api + "next")
	if err != nil {
		return err
	}
	defer next.Body.Close()
	id := next.Header.Get("Lambda-Runtime-Aws-Request-Id")
	fmt.Println("request", id)
	var e event
	if err := json.NewDecoder(next.Body).Decode(&e); err != nil {
		return err
	}
	body, err := json.Marshal(greet(e))
	if err != nil {
		return err
	}
	taken, err := http.Post(api+id+"/response", "application/json", bytes.NewReader(body))
	if err != nil {
		return err
	}
	return taken.Body.Close()
}
