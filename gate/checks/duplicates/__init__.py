"""How duplicates are found: fold, tokenise, shingle, sign, pair up, verify, and choose what is kept."""
