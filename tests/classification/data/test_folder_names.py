from luminet_det.classification.data.folder import distinct


def test_names_that_occur_twice_carry_their_classes_ids_and_others_stay():
    assert distinct(['crane', 'owl', 'crane'], ['n1', 'n2', 'n3']) == ('crane (n1)', 'owl', 'crane (n3)')
