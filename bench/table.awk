# Makes a table of raw figures. usage: awk -f table.awk RAW rows.txt
# A row stands for each comparison of which RAW has both figures, medians of all rounds.

BEGIN { FS = " *; *" }

# key is where the figures of PROGRAM:WORK@THREADS are, but for the unit.
function key(s, name, threads,   by) {
	by = "promptcam"
	if (s ~ /:/) { by = s; sub(/:.*/, "", by); sub(/[^:]*:/, "", s) }
	if (s ~ /@/) { threads = s; sub(/.*@/, "", threads); sub(/@.*/, "", s) }
	return by SUBSEP (s == "" ? name : s) SUBSEP threads
}

function median(s,   v, n, i, j, t) {
	n = split(s, v, " ")
	for (i = 2; i <= n; i++)
		for (j = i; j > 1 && v[j] + 0 < v[j-1] + 0; j--) { t = v[j]; v[j] = v[j-1]; v[j-1] = t }
	return n % 2 ? v[(n+1)/2] : (v[n/2] + v[n/2+1]) / 2
}

function show(x) { return x >= 100 ? sprintf("%.0f", x) : x >= 10 ? sprintf("%.1f", x) : x >= 0.1 ? sprintf("%.2f", x) : sprintf("%.4f", x) }

FNR == 1 { part++ }

# The raw figures.
part == 1 && /^Benchmark/ {
	split($0, f, /[ \t]+/)
	name = substr(f[1], 10); threads = 1
	if (match(name, /-[0-9]+$/)) { threads = substr(name, RSTART + 1); name = substr(name, 1, RSTART - 1) }
	for (i = 3; (i + 1) in f; i += 2) {
		k = said["by"] SUBSEP name SUBSEP threads SUBSEP f[i+1]
		figures[k] = figures[k] " " f[i]
		if (++seen[k] > rounds) rounds = seen[k]
	}
	split("", f)
	next
}
part == 1 && /^[a-z]+: / { k = $0; sub(/: .*/, "", k); v = $0; sub(/^[a-z]+: +/, "", v); said[k] = v; next }
part == 1 || /^#/ || NF == 0 { next }

# The rows.
!head++ {
	print said["cpu"] ", " said["date"] ", commit " said["commit"] ", " said["go"] ". Peers: " said["peers"] ". Medians of " rounds (rounds == 1 ? " round." : " rounds.")
	print ""
	print "| work | unit | threads | ours | peer | its figure | ratio | goal | ok |"
	print "|---|---|---|---|---|---|---|---|---|"
}
{
	work = $1; unit = $2; threads = $4; goal = $7
	name = $3; sub(/.*:/, "", name)
	mine = key($3, name, threads) SUBSEP unit
	if (!(mine in figures)) next
	ours = median(figures[mine]); theirs = ratio = ok = ""
	k = key($5, name, threads) SUBSEP unit
	if ($6 != "") {
		if (k in figures) { theirs = median(figures[k]); ratio = ours / theirs }
		else if (goal !~ /^<=/) next
		else $6 = ""
	}
	bound = goal; sub(/^[<>]=/, "", bound)
	if (goal ~ /^>=/) ok = ratio >= bound + 0 ? "yes" : "**no**"
	if (goal ~ /^<=/) ok = ours <= bound + 0 ? "yes" : "**no**"
	sub(/>=/, "at least ", goal); sub(/<=/, "at most ", goal)
	printf "| %s | %s | %s | %s | %s | %s | %s | %s | %s |\n", work, unit, threads, show(ours), $6, theirs == "" ? "" : show(theirs), ratio == "" ? "" : sprintf("%.2f", ratio), goal, ok
}
