// No go.sum: it is made where the module can be had.
module coffer-interop-v10

go 1.24

require github.com/workos/workos-go/v10 v10.1.1
