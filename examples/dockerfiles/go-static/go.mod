module example.com/hello

go 1.25

require (
	golang.org/x/text v0.30.0
)
