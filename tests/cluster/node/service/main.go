// The service that the tests release: one static binary for every image, the sandbox's too.
//
// How a version behaves stands in its image's environment, so that a change of the image is what
// breaks things, as it does in production.
package main

import (
	"fmt"
	"math/rand"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"
)

// number returns a setting, 0 where it is not given.
func number(name string) float64 {
	value, _ := strconv.ParseFloat(os.Getenv(name), 64)
	return value
}

func seconds(value float64) time.Duration {
	return time.Duration(value * float64(time.Second))
}

// sandbox holds a pod's namespaces until it is told to go, and buries what is left to it.
func sandbox(told chan os.Signal) {
	go func() {
		for {
			var status syscall.WaitStatus
			if pid, _ := syscall.Wait4(-1, &status, 0, nil); pid <= 0 {
				time.Sleep(time.Second)
			}
		}
	}()
	<-told
}

func crash() {
	fmt.Println("panic: cannot read the price list")
	os.Exit(3)
}

// fill takes memory that is really used, so that a limit ends the container.
func fill(megabytes float64) {
	taken := make([]byte, int(megabytes)<<20)
	for place := range taken {
		taken[place] = 1
	}
	fmt.Println("took", len(taken), "bytes")
}

func main() {
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGTERM, syscall.SIGINT)
	if len(os.Args) > 1 && os.Args[1] == "sandbox" {
		sandbox(told)
		return
	}
	began := time.Now()
	version := os.Getenv("VERSION")
	if after := number("CRASH_AFTER_SECONDS"); after < 0 {
		crash()
	} else if after > 0 {
		time.AfterFunc(seconds(after), crash)
	}
	if megabytes := number("TAKE_MEGABYTES"); megabytes > 0 {
		time.AfterFunc(time.Second, func() { fill(megabytes) })
	}
	readyAfter, slow, errors := number("READY_AFTER_SECONDS"), number("SLOW_SECONDS"), number("ERRORS")
	http.HandleFunc("/ready", func(answer http.ResponseWriter, _ *http.Request) {
		if readyAfter < 0 || time.Since(began) < seconds(readyAfter) {
			http.Error(answer, "not ready", http.StatusServiceUnavailable)
		}
	})
	crashAfter := int64(number("CRASH_AFTER_REQUESTS"))
	var asked atomic.Int64
	http.HandleFunc("/", func(answer http.ResponseWriter, _ *http.Request) {
		if crashAfter > 0 && asked.Add(1) > crashAfter {
			crash()
		}
		time.Sleep(seconds(slow))
		answer.Header().Set("X-Version", version)
		if rand.Float64() < errors {
			http.Error(answer, version, http.StatusInternalServerError)
			return
		}
		fmt.Fprintln(answer, version)
	})
	go func() {
		<-told
		os.Exit(0)
	}()
	fmt.Println("listening", version)
	panic(http.ListenAndServe(":8080", nil))
}
