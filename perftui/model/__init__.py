"""The language of the house: frozen values and protocols, standard library only."""
