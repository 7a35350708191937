#!/bin/sh
# Times this library and whichever peers are installed, in turn, and prints a
# table of ratios. See README.md.
#
# usage: compare.sh [-write] [-table FILE | GROUP...]
#   GROUP   gemm, tiers, attention, block, vit, promptcam, rank, image, memory, explain; all by default
#   -write  also puts the table into README.md
#   -table  makes the table of earlier raw figures
# environment: ROUNDS (5), DURATION in seconds of each figure (1), RESULTS (the file to which raw figures
#   are added), CC (cc), PYTHON (one that has torch), ORT_DIR (a folder with onnxruntime-node)
set -u
CDPATH= cd "$(dirname "$0")" || exit
unset GOMAXPROCS OPENBLAS_L2_SIZE
export CGO_ENABLED=0 PYTHONDONTWRITEBYTECODE=1

from() { case $1 in /*) echo "$1" ;; *) echo "$OLDPWD/$1" ;; esac; } # a path as the caller gave it
all='gemm tiers attention block vit promptcam rank image memory explain'
rounds=${ROUNDS:-5} duration=${DURATION:-1} write= file=
while [ $# -gt 0 ]; do
	case $1 in
	-write) write=yes ;;
	-table) file=$(from "${2:?-table needs a file}"); shift ;;
	-*) sed -n '2,/^set/s/^# \{0,1\}//p' compare.sh >&2; exit 2 ;;
	*) break ;;
	esac
	shift
done
[ $# -gt 0 ] || set -- $all
for g in "$@"; do
	case " $all " in *" $g "*) ;; *) echo "compare.sh: no group $g, there are $all" >&2; exit 2 ;; esac
done

tmp=$(mktemp -d) || exit
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' INT TERM

# finish FILE prints the table of FILE.
finish() {
	awk -f table.awk "$1" rows.txt >"$tmp/table"
	cat "$tmp/table"
	[ -z "$write" ] && return
	awk -v table="$tmp/table" '
		/^<!-- end -->$/ { skip = 0 }
		!skip
		/^<!-- compare.sh -->$/ { skip = 1; while ((getline line < table) > 0) print line }
	' README.md >"$tmp/README.md" && cat "$tmp/README.md" >README.md
}

if [ -n "$file" ]; then
	finish "$file"
	exit
fi

has() { command -v "$1" >/dev/null 2>&1; }
missing() { echo "compare.sh: without $1" >&2; }
cpu() { grep -qw "$1" /proc/cpuinfo 2>/dev/null; }
wanted() { case " $groups " in *" $1 "*) return 0 ;; esac; return 1; }
groups=$*
peers=
found() { peers="${peers:+$peers, }$1"; }

# The peers, each at its best. For a processor newer than itself OpenBLAS may
# take kernels of 2004.
if [ -z "${OPENBLAS_CORETYPE:-}" ] && cpu avx512f; then
	export OPENBLAS_CORETYPE=SkylakeX
fi
cc=${CC:-cc} peak= openblas= torch= ort= pillow=
if ! has "$cc"; then
	missing "a C compiler: no peak, no OpenBLAS"
else
	if $cc -O3 -march=native -o "$tmp/peak-native" peers/peak.c -lpthread 2>"$tmp/err" || $cc -O3 -o "$tmp/peak-native" peers/peak.c -lpthread; then
		peak=native
		found "$($cc --version | head -n 1)"
	fi
	if cpu avx2 && $cc -O3 -mavx2 -mfma -o "$tmp/peak-avx2" peers/peak.c -lpthread; then
		peak="$peak avx2"
	fi
	if $cc -O2 -o "$tmp/openblas" peers/openblas.c -lopenblas 2>/dev/null; then
		openblas=yes
		found "$("$tmp/openblas" 1 0 2>&1 >/dev/null | sed 's/\([^ ]* [^ ]*\).*core/\1, core/')"
	else
		missing "OpenBLAS (its header and library)"
	fi
fi
for python in ${PYTHON:-python3 /usr/bin/python3}; do
	if [ -z "$torch" ] && v=$("$python" -c 'import torch; print(torch.__version__)' 2>/dev/null); then
		torch=$python
		found "PyTorch $v"
	fi
	if [ -z "$pillow" ] && v=$("$python" -c 'import PIL, numpy; print(PIL.__version__)' 2>/dev/null); then
		pillow=$python
		found "Pillow $v"
	fi
done
[ -n "$torch" ] || missing "PyTorch"
[ -n "$pillow" ] || missing "Pillow and NumPy"
[ -z "${ORT_DIR:-}" ] || ORT_DIR=$(from "$ORT_DIR")
if [ -z "${ORT_DIR:-}" ] || ! has node || ! v=$(cd "$ORT_DIR" && node -p "require('onnxruntime-node/package.json').version" 2>/dev/null); then
	missing "ONNX Runtime (ORT_DIR)"
else
	found "ONNX Runtime $v"
	if wanted vit; then
		models=$ORT_DIR/models-of-promptcam ort=yes
		for m in ViT-Ti_b1 ViT-Ti_b8 ViT-S_b1 ViT-S_b8 ViT-B_b1 ViT-B_b8; do
			[ -e "$models/$m.onnx" ] || "${torch:-python3}" peers/export_onnx.py "$models" "${m%_b*}" "${m#*_b}" || ort=
		done
		[ -n "$ort" ] || missing "models for ONNX Runtime, which PyTorch makes"
	fi
fi

go test -c -o "$tmp/bench" . && go test -tags 'purego noasm' -c -o "$tmp/purego" . || exit

slug() { tr '[:upper:]' '[:lower:]' | sed 's/(r)//g; s/[^a-z0-9][^a-z0-9]*/-/g; s/-$//'; }
model=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo 2>/dev/null | head -n 1)
[ -n "$model" ] || model=$(sysctl -n machdep.cpu.brand_string 2>/dev/null || uname -m)
mkdir -p results
results=results/$(date +%F)-$(echo "$model" | slug).txt
[ -z "${RESULTS:-}" ] || results=$(from "$RESULTS")
raw=$tmp/raw
commit=$(git rev-parse --short HEAD 2>/dev/null || echo unknown)
git diff --quiet HEAD -- .. ':!results' ':!README.md' 2>/dev/null || commit=$commit-changed
{
	echo "date: $(date +%F)"
	echo "commit: $commit"
	echo "go: $(go version | cut -d ' ' -f 3-)"
	echo "cpu: $model"
	echo "peers: $peers"
} | tee -a "$results" >"$raw"

# run PROGRAM COMMAND... adds the figures that a command prints.
run() {
	by=$1
	shift
	if "$@" >"$tmp/out" 2>"$tmp/err"; then
		{ echo "by: $by"; grep '^Benchmark' "$tmp/out"; } | tee -a "$results" >>"$raw"
	else
		echo "compare.sh: $by failed: $*" >&2
		tail -n 3 "$tmp/out" "$tmp/err" >&2
	fi
}
ours() { # BENCHMARK THREADS
	run promptcam "$tmp/bench" -test.run '^$' -test.bench "$1" -test.cpu "$2" -test.benchtime "${3:-${duration}s}"
}
pytorch() { # GROUP THREADS
	# It neither spins while it waits nor gives pages back to the system.
	[ -z "$torch" ] || run torch env OMP_WAIT_POLICY=PASSIVE MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=8589934592 \
		MALLOC_TOP_PAD_=268435456 OMP_NUM_THREADS="$2" OPENBLAS_NUM_THREADS="$2" "$torch" peers/torch_cpu.py "$1" "$2" "$duration"
}

group() { # NAME THREADS: one figure of all its work
	case $1 in
	gemm)
		ours '^BenchmarkGemm' "$2"
		[ -z "$peak" ] || run peak "$tmp/peak-native" native "$2" "$duration"
		[ -z "$openblas" ] || run openblas "$tmp/openblas" "$2" "$duration"
		;;
	tiers)
		square='^BenchmarkGemm(Gonum)?$/^1024x1024x1024$'
		set -- -test.run '^$' -test.bench "$square" -test.cpu 1 -test.benchtime "${duration}s"
		run promptcam-purego "$tmp/purego" "$@"
		case $peak in *avx2*)
			run promptcam-avx2 env GODEBUG=cpu.avx512f=off "$tmp/bench" "$@"
			run peak "$tmp/peak-avx2" avx2 1 "$duration"
			;;
		esac
		;;
	attention) ours '^BenchmarkAttention$' "$2"; pytorch attention "$2" ;;
	block) ours '^BenchmarkBlock$' "$2"; pytorch block "$2" ;;
	vit)
		ours '^BenchmarkViT$' "$2"
		pytorch vit "$2"
		[ -z "$ort" ] || run onnxruntime node peers/ort.cjs "$ORT_DIR" "$models" "$2" "$duration"
		;;
	promptcam) ours '^Benchmark(PromptCAM|Tokens)$' "$2"; pytorch promptcam "$2" ;;
	rank) ours '^Benchmark(Rank|Subsets)$' "$2"; pytorch rank "$2" ;;
	image)
		PHOTO=$tmp/photograph.jpg
		export PHOTO
		ours '^BenchmarkImage$' "$2"
		unset PHOTO
		[ -z "$pillow" ] || run pillow "$pillow" peers/pillow.py "$tmp/photograph.jpg" "$duration"
		;;
	memory) ours '^BenchmarkMemory$' "$2" 2x; pytorch memory "$2" ;;
	explain) ours '^BenchmarkExplain$' "$2" ;;
	esac
}

most=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)
[ "$most" -gt 2 ] && most=2
[ "$most" -eq 1 ] && missing "two threads: rows that need them are left out"
both=1
[ "$most" -eq 2 ] && both='1 2'
for round in $(seq "$rounds"); do
	for g in $groups; do
		case $g in
		tiers | image) threads=1 ;;
		promptcam | rank | explain) threads=$most ;;
		memory) [ "$round" -eq 1 ] || continue; threads=$most ;; # it is the same every time
		*) threads=$both ;;
		esac
		for t in $threads; do
			echo "round $round of $rounds: $g, threads: $t" >&2
			group "$g" "$t"
		done
	done
done
finish "$raw"
