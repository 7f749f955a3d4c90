// Package common stands in for a cloud's SDK: see README.md two folders up.
package common

// StringPtr points to a copy.
func StringPtr(value string) *string { return &value }

// StringPtrs points to copies.
func StringPtrs(values []string) []*string {
	pointers := make([]*string, 0, len(values))
	for _, value := range values {
		pointers = append(pointers, &value)
	}
	return pointers
}

// BoolPtr points to a copy.
func BoolPtr(value bool) *bool { return &value }
