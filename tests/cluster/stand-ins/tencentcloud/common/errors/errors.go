// Package errors stands in for a cloud's SDK: see README.md three folders up.
package errors

// TencentCloudSDKError is what every call answers.
type TencentCloudSDKError struct{}

func (*TencentCloudSDKError) Error() string { return "this build has no SDK for that cloud" }
