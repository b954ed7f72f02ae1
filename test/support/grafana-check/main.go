// Checks dashboards against the schema of Grafana's own SDK: unknown fields, types and bounds, also of the options of each panel.
package main

import (
	"fmt"
	"os"

	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

func main() {
	plugins.RegisterDefaultPlugins()
	failed := false
	for _, path := range os.Args[1:] {
		if err := check(path); err != nil {
			failed = true
			fmt.Printf("%s: %v\n", path, err)
		}
	}
	if failed {
		os.Exit(1)
	}
}

// check gives all mistakes in a file. The SDK returns an empty list as an error, too, so the text decides.
func check(path string) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	board := dashboard.Dashboard{}
	for _, err := range []error{board.UnmarshalJSONStrict(raw), board.Validate()} {
		if err != nil && err.Error() != "" {
			return err
		}
	}
	return nil
}
