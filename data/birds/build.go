package birds

// Values of kind Build.
const (
	warbler uint8 = iota
	finch
	thrush
	flycatcher
	tit
	woodpecker
)

// Values of kind BillShape.
const (
	thin uint8 = iota
	stout
	conical
	hooked
	chisel
	curved
)

// Values of kind Breast.
const (
	plainBreast uint8 = iota
	streakedBreast
	spottedBreast
	bandedBreast
	pinnedBreast
)

// Values of kind WingBars.
const (
	noBars uint8 = iota
	oneBar
	twoBars
	yellowBars
)

// A build is the measures of a body, in units of 1/100 of the image's side at scale 1.
type build struct {
	stance        float64 // degrees that the body's axis rises towards the head
	length, depth float64 // of the body, as factors of the outline in bird.go
	head          float64 // the head's radius
	neck          point   // the head's centre, in the body's frame
	body          point   // the body's centre, from the feet
	tail          float64 // the tail's length
	notch         float64 // depth of its fork; negative: pointed
	lift          float64 // degrees that it rises above the body's axis
	bill          uint8   // the BillShape that goes with it
}

var builds = [...]build{
	warbler:    {26, 1.00, 1.00, 15.5, point{20, -13}, point{-3, -29}, 25, 2.5, 2, thin},
	finch:      {30, 0.96, 1.10, 16.5, point{19, -12}, point{-3, -29}, 24, 4, 0, conical},
	thrush:     {38, 1.06, 1.02, 14.5, point{22, -12}, point{-4, -33}, 25, 0, 8, stout},
	flycatcher: {50, 1.00, 0.92, 15.5, point{22, -9}, point{-7, -29}, 26, 2, 8, hooked},
	tit:        {14, 0.92, 1.08, 17, point{17, -15}, point{-2, -28}, 25, 1.5, 6, thin},
	woodpecker: {58, 1.06, 0.92, 15, point{23, -8}, point{-11, -29}, 20, -5, 4, chisel},
}

// A billShape is in units of the head's radius. Both mandibles go from the gape to the tip, length ahead and
// drop below.
type billShape struct {
	length, upper, lower, drop float64
	culmen                     float64 // how far the upper edge bulges out
	hook                       float64 // how far the tip turns down
}

var billShapes = [...]billShape{
	thin:    {0.72, 0.13, 0.12, 0.02, 0.02, 0},
	stout:   {0.86, 0.19, 0.17, 0.05, 0.06, 0.02},
	conical: {0.74, 0.34, 0.32, 0.06, 0.11, 0},
	hooked:  {0.80, 0.22, 0.15, 0.04, 0.12, 0.14},
	chisel:  {1.16, 0.20, 0.18, 0.02, 0.02, 0},
	curved:  {1.12, 0.20, 0.15, 0.56, 0.22, 0},
}
