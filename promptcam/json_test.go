package promptcam

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/vit/heat"
)

// What a service reads of the answer is the answer, in every mode, with a Reference and without.
func TestMarshalJSON(t *testing.T) {
	forEachConfig(t, func(t *testing.T, m *Model, g *golden) {
		m.Classes = []string{"a", "b\"", "c", "d"}[:m.Config.Classes]
		for _, versus := range []string{"even", "usual"} {
			if versus == "usual" {
				referred(t, m, g)
			}
			e := m.explain(g.images.Value.Slice(0, 0, 1).Contig())
			text, err := json.Marshal(e)
			require.NoError(t, err)
			var got struct {
				Question struct {
					For, Against []int
					Names        []string
					Versus       string
				}
				Evidence struct {
					Margin, Baseline, Error float64
					Map                     heat.Map
					Heads                   []HeadEvidence
				}
				Classes []struct {
					Name        string
					Probability float64
				}
				Sufficient int
				Heads      []struct {
					Head          int
					Left, Patches float64
					Map           heat.Map
				}
			}
			require.NoError(t, json.Unmarshal(text, &got))

			v := e.Evidence(e.Question())
			assert.Equal(t, v.For, got.Question.For)
			assert.Equal(t, v.Against, got.Question.Against)
			assert.Equal(t, []string{m.Classes[v.For[0]], m.Classes[v.Against[0]]}, got.Question.Names)
			assert.Equal(t, versus, got.Question.Versus)
			assert.Equal(t, v.Margin, got.Evidence.Margin)
			assert.Equal(t, v.Baseline, got.Evidence.Baseline)
			assert.Equal(t, v.Error(), got.Evidence.Error)
			assert.Equal(t, v.Map(), got.Evidence.Map)
			assert.Equal(t, v.Heads, got.Evidence.Heads)

			assert.Equal(t, m.Classes[e.Predicted()], got.Classes[0].Name)
			assert.Equal(t, e.Probabilities[e.Predicted()], got.Classes[0].Probability)
			r := e.Rank(e.Predicted(), BlurPatches)
			assert.Equal(t, r.Sufficient, got.Sufficient)
			require.Len(t, got.Heads, e.Heads())
			for i, h := range got.Heads {
				assert.Equal(t, r.Heads[i].Head, h.Head)
				assert.Equal(t, r.Heads[i].Probability, h.Left)
				assert.Equal(t, e.Share(r.Class, h.Head).Patches, h.Patches)
				assert.Equal(t, e.Heat(r.Class, h.Head), h.Map)
			}
		}
	})
}
